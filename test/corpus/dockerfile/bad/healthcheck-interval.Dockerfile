FROM base
HEALTHCHECK --interval=5 CMD x
