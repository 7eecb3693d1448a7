# escape=`
FROM base
RUN dir C:\ `
  && more
ENV p=C:\x q=`$y
COPY a `
  b
