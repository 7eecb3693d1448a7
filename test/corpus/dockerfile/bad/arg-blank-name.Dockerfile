FROM base
ARG =x
