/* The system's name. */
#include <string.h>
#include <sys/sysctl.h>
#include <sys/utsname.h>
#include <unistd.h>

static int
fetch(const char *key, char *out, size_t size)
{
	size_t len = size - 1;

	memset(out, 0, size);
	return sysctlbyname(key, out, &len, NULL, 0);
}

/* What the kernel does not tell stays empty. */
int
uname(struct utsname *name)
{
	(void)fetch("kern.ostype", name->sysname, sizeof(name->sysname));
	(void)fetch("kern.hostname", name->nodename, sizeof(name->nodename));
	(void)fetch("kern.osrelease", name->release, sizeof(name->release));
	(void)fetch("kern.version", name->version, sizeof(name->version));
	(void)fetch("hw.machine", name->machine, sizeof(name->machine));
	return 0;
}

int
gethostname(char *name, size_t size)
{
	return size == 0 ? 0 : fetch("kern.hostname", name, size);
}
