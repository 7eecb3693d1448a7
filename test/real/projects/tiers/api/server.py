"""Answers every request with the number of requests that all servers have had, and the server's own name."""

import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psycopg2

NAME = socket.gethostname()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/health":
            return self.answer("ok\n")
        with psycopg2.connect("") as connection, connection.cursor() as cursor:
            cursor.execute("insert into visits values (%s)", (NAME,))
            cursor.execute("select count(*) from visits")
            return self.answer(f"{cursor.fetchone()[0]} {NAME}\n")

    def answer(self, text):
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())


ThreadingHTTPServer(("", 8000), Handler).serve_forever()
