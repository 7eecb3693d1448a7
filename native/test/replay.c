// Runs a fuzz target on the files of its corpus: replay FILE... . A finding of the fuzzer becomes such a file.
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		struct stat st;
		int fd = open(argv[i], O_RDONLY);
		if (fd < 0 || fstat(fd, &st) < 0)
			return 1;
		uint8_t *data = malloc((size_t)st.st_size + 1);
		ssize_t n = read(fd, data, (size_t)st.st_size);
		close(fd);
		if (n != st.st_size)
			return 1;
		LLVMFuzzerTestOneInput(data, (size_t)n);
		free(data);
	}
	if (argc < 2)
		fprintf(stderr, "replay: nothing to run\n");
	return argc < 2;
}
