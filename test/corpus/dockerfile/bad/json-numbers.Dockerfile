FROM base
CMD [1]
