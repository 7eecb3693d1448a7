FROM base
RUN <<EOF
x
