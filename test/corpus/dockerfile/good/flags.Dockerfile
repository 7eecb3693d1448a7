FROM base
COPY --chown="a b" --link=false x y
COPY --link x y
COPY -- --strange /dst
RUN -- --x
COPY --chmod=u+x x y
ADD --keep-git-dir=true x y
