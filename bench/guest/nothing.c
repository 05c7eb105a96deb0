/*
 * The smallest program: what proc/spawn_wait starts.
 */
int
main(void)
{
	return 0;
}
