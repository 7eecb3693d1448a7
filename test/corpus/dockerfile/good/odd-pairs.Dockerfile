FROM base
ENV a=b\ c d="e\"f" g='h\' i=
ENV k = v
LABEL "a"="b" c=d\
e=f
LABEL single value with = in it
ENV x="multi \
line"
ARG q="a b" r='c d' s
