/* hello: shows that a program runs, gets its arguments and returns a status: the number of them. */
#include <stdio.h>

int
main(int argc, char **argv)
{
	fputs("Hello from Pluot", stdout);
	for (int i = 1; i < argc; i++) {
		printf("%s%s", i == 1 ? ": " : " ", argv[i]);
	}
	puts("");
	return argc - 1;
}
