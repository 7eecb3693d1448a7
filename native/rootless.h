// `keel rootless`, see rootless.c. argv is what follows the word.
#ifndef KEEL_ROOTLESS_H
#define KEEL_ROOTLESS_H

int rootless_main(int argc, char **argv);

#endif
