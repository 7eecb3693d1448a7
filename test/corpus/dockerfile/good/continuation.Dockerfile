FROM base
RUN a \
  && b \
# a comment between

  && c \   
  && d
RUN e \
  # indented comment
  f
ENV x=1 \
    y=2
RUN lone\\
RUN \
g
