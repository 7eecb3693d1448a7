from base
RUN crlf \
  next
