from http.server import BaseHTTPRequestHandler, HTTPServer

import six


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(six.ensure_binary(f"six {six.__version__}\n"))


HTTPServer(("", 8000), Handler).serve_forever()
