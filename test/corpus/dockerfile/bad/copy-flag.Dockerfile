FROM base
COPY --chwon=a b c
