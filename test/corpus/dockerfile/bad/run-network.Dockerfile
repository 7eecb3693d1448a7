FROM base
RUN --network=some x
