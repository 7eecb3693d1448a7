const http = require("node:http");
const isNumber = require("is-number");
http
  .createServer((request, response) => {
    const word = decodeURIComponent(request.url.slice(1));
    response.end(`${word}: ${isNumber(word)}\n`);
  })
  .listen(process.env.PORT);
