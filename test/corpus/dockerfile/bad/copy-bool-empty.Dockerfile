FROM base
COPY --link= a b
