FROM base
ENV =b
