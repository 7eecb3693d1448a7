ARG A
ARG B=1
FROM scratch
FROM base as Two
FROM two AS three-3.x_y
COPY --from=two /a /b
COPY --from=0 /a /b
