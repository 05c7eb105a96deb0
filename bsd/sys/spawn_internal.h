/*
 * posix_spawn between the library and the kernel: the third argument of the call, and what it points to.
 *
 * Each part comes with its size; a part that is not there has size 0. The attribute structure may be longer
 * than what is declared here: the kernel looks at this beginning.
 */
#pragma once

#include <sys/signal.h>
#include <sys/types.h>

struct _posix_spawn_args_desc {
	size_t attr_size;
	struct _posix_spawnattr *attrp;
	size_t file_actions_size;
	struct _posix_spawn_file_actions *file_actions;
	size_t port_actions_size;
	void *port_actions;
	size_t mac_extensions_size;
	void *mac_extensions;
	size_t coal_info_size;
	void *coal_info;
	size_t persona_info_size;
	void *persona_info;
	size_t posix_cred_info_size;
	void *posix_cred_info;
	size_t subsystem_root_path_size;
	char *subsystem_root_path;
	size_t conclave_id_size;
	char *conclave_id;
};

struct _posix_spawnattr {
	short psa_flags; /* POSIX_SPAWN_* */
	short psa_flags_padding;
	sigset_t psa_sigdefault;
	sigset_t psa_sigmask;
	pid_t psa_pgroup;
};

#define PSFA_OPEN          0
#define PSFA_CLOSE         1
#define PSFA_DUP2          2
#define PSFA_INHERIT       3 /* clears close-on-exec */
#define PSFA_FILEPORT_DUP2 4
#define PSFA_CHDIR         5
#define PSFA_FCHDIR        6

#define PSFA_PATH_MAX 1024

struct _psfa_action {
	int psfaa_type;    /* PSFA_* */
	int psfaa_filedes; /* what it is done to */
	union {
		struct {
			int psfao_oflag;
			mode_t psfao_mode;
			char psfao_path[PSFA_PATH_MAX];
		} psfaa_openargs;
		struct {
			int psfad_newfiledes;
		} psfaa_dup2args;
		struct {
			char psfac_path[PSFA_PATH_MAX];
		} psfaa_chdirargs;
	};
};

struct _posix_spawn_file_actions {
	int psfa_act_alloc; /* room, in actions */
	int psfa_act_count;
	struct _psfa_action psfa_act_acts[];
};

_Static_assert(sizeof(struct _posix_spawn_args_desc) == 144, "_posix_spawn_args_desc");
_Static_assert(sizeof(struct _psfa_action) == 1040, "_psfa_action");
