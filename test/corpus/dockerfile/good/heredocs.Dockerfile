FROM base
RUN <<EOF
set -e
echo $HOME # not a comment for us
EOF
RUN <<-TAB cat > /x
		indented
	TAB
RUN cat <<A <<"B" > /y
a
A
b
B
COPY <<EOF <<'RAW' plain /etc/
$X
EOF
$X
RAW
RUN cat <<"with space" > /z
text
with space
ONBUILD RUN <<E
later
E
CMD <<NOT
