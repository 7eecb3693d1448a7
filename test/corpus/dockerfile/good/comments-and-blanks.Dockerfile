

# not=a directive any more
#escape=`
   # indented
FROM base
	 RUN tabbed
   run  lower   case   
RUN echo '# no comment' # shell sees this
