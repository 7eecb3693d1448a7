/** A Compose file with one published service that answers a word, for the tests that replace it while requests come. */
export const rollingService = (word: string): string => `services:
  web:
    image: busybox
    init: true
    stop_grace_period: 1s
    command: [sh, -c, "mkdir /www; echo ${word} >/www/index.html; exec httpd -f -p 80 -h /www"]
    ports: ["127.0.0.1:18090:80"]
    healthcheck: {test: "wget -qO- http://127.0.0.1/ >/dev/null", interval: 200ms, retries: 20}
`;
