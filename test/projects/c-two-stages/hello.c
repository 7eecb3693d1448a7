#include <stdio.h>

int main(int argc, char **argv) {
  int c;
  FILE *f = argc > 1 ? fopen(argv[1], "r") : NULL;
  if (f == NULL) return 1;
  while ((c = fgetc(f)) != EOF) putchar(c);
  return fclose(f);
}
