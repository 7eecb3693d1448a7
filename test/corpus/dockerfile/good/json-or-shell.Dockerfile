FROM base
CMD ["a", "b"]
CMD [ "spaces" ,  "\u00e9\n" ]
CMD ['single']
CMD ["unterminated"
CMD ["a"] trailing
CMD []
ENTRYPOINT [
RUN [ "$A" ]
