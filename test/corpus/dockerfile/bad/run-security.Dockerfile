FROM base
RUN --security=none x
