FROM base
COPY --from=a --from=b c d
