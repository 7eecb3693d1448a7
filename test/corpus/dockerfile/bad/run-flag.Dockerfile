FROM base
RUN --mout=x y
