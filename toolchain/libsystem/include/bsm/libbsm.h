/* What an audit token says. */
#pragma once

#include <bsm/audit.h>
#include <sys/cdefs.h>

__BEGIN_DECLS

uid_t audit_token_to_auid(audit_token_t token);
uid_t audit_token_to_euid(audit_token_t token);
gid_t audit_token_to_egid(audit_token_t token);
uid_t audit_token_to_ruid(audit_token_t token);
gid_t audit_token_to_rgid(audit_token_t token);
pid_t audit_token_to_pid(audit_token_t token);
au_asid_t audit_token_to_asid(audit_token_t token);
int audit_token_to_pidversion(audit_token_t token); /* tells processes that had the same number apart */

__END_DECLS
