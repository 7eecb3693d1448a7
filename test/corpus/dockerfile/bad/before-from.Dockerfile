RUN x
FROM base
