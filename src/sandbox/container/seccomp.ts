/**
 * The system calls that a process in a container may make: a list of what is allowed, everything else fails.
 *
 * Owns the filter. It lets through what language runtimes and ordinary programs use, and leaves out what reaches
 * other processes (ptrace, process_vm_*, pidfd_getfd), what outlives them (System V and POSIX message objects and
 * shared memory), what changes the machine, and the interfaces of the kernel through which most escapes went
 * (namespaces, mounts, io_uring, bpf, keyrings, userfaultfd, perf), what works on the whole machine's account (flushing all
 * disks), and what tells of files that others share (their place in memory). Sockets are of the families UNIX, INET and INET6
 * alone: what waits in a NETLINK socket is on nobody's account, so that a function could hold gigabytes of the machine.
 */

const FILES = [
  ...[
    'access',
    'chdir',
    'chmod',
    'chown',
    'close',
    'close_range',
    'copy_file_range',
    'creat',
    'dup',
    'dup2',
    'dup3',
  ],
  ...[
    'faccessat',
    'faccessat2',
    'fadvise64',
    'fallocate',
    'fchdir',
    'fchmod',
    'fchmodat',
    'fchmodat2',
    'fchown',
  ],
  ...[
    'fchownat',
    'fcntl',
    'fdatasync',
    'fgetxattr',
    'flistxattr',
    'flock',
    'fstat',
    'fstatfs',
    'fsync',
    'ftruncate',
  ],
  ...['futimesat', 'getcwd', 'getdents', 'getdents64', 'getxattr', 'inotify_add_watch', 'inotify_init'],
  ...['inotify_init1', 'inotify_rm_watch', 'ioctl', 'lchown', 'lgetxattr', 'link', 'linkat', 'listxattr'],
  ...[
    'llistxattr',
    'lseek',
    'lstat',
    'mkdir',
    'mkdirat',
    'newfstatat',
    'open',
    'openat',
    'openat2',
    'pread64',
  ],
  ...[
    'preadv',
    'preadv2',
    'pwrite64',
    'pwritev',
    'pwritev2',
    'read',
    'readahead',
    'readlink',
    'readlinkat',
    'readv',
  ],
  ...['rename', 'renameat', 'renameat2', 'rmdir', 'sendfile', 'splice', 'stat', 'statfs', 'statx', 'symlink'],
  ...['symlinkat', 'sync_file_range', 'tee', 'truncate', 'umask', 'unlink', 'unlinkat', 'utime'],
  ...['utimensat', 'utimes', 'vmsplice', 'write', 'writev', 'memfd_create', 'pipe', 'pipe2'],
] as const;

const WAITING = [
  ...['epoll_create', 'epoll_create1', 'epoll_ctl', 'epoll_pwait', 'epoll_pwait2', 'epoll_wait', 'eventfd'],
  ...['eventfd2', 'poll', 'ppoll', 'pselect6', 'select', 'signalfd', 'signalfd4', 'timerfd_create'],
  ...['timerfd_gettime', 'timerfd_settime', 'nanosleep', 'clock_nanosleep', 'pause', 'restart_syscall'],
] as const;

const MEMORY = [
  ...['brk', 'madvise', 'membarrier', 'mincore', 'mlock', 'mlock2', 'mmap', 'mprotect', 'mremap', 'msync'],
  ...['munlock', 'munmap', 'pkey_alloc', 'pkey_free', 'pkey_mprotect', 'rseq', 'map_shadow_stack'],
] as const;

const PROCESSES = [
  ...[
    'execve',
    'execveat',
    'exit',
    'exit_group',
    'fork',
    'vfork',
    'wait4',
    'waitid',
    'kill',
    'tkill',
    'tgkill',
  ],
  ...[
    'pidfd_open',
    'pidfd_send_signal',
    'rt_sigaction',
    'rt_sigpending',
    'rt_sigprocmask',
    'rt_sigqueueinfo',
  ],
  ...['rt_sigreturn', 'rt_sigsuspend', 'rt_sigtimedwait', 'rt_tgsigqueueinfo', 'sigaltstack', 'alarm'],
  ...['getitimer', 'setitimer', 'timer_create', 'timer_delete', 'timer_getoverrun', 'timer_gettime'],
  ...[
    'timer_settime',
    'futex',
    'futex_waitv',
    'futex_wait',
    'futex_wake',
    'futex_requeue',
    'get_robust_list',
  ],
  ...['set_robust_list', 'set_tid_address', 'arch_prctl', 'prctl', 'seccomp', 'get_thread_area'],
  ...['set_thread_area', 'landlock_create_ruleset', 'landlock_add_rule', 'landlock_restrict_self'],
] as const;

const IDENTITY = [
  ...[
    'capget',
    'capset',
    'getegid',
    'geteuid',
    'getgid',
    'getgroups',
    'getpgid',
    'getpgrp',
    'getpid',
    'getppid',
  ],
  ...['getpriority', 'getresgid', 'getresuid', 'getrlimit', 'getrusage', 'getsid', 'gettid', 'getuid'],
  ...['sched_get_priority_max', 'sched_get_priority_min', 'sched_getaffinity', 'sched_getattr'],
  ...['sched_getparam', 'sched_getscheduler', 'sched_rr_get_interval', 'sched_setaffinity', 'sched_setattr'],
  ...['sched_setparam', 'sched_setscheduler', 'sched_yield', 'setfsgid', 'setfsuid', 'setgid', 'setgroups'],
  ...['setpgid', 'setpriority', 'setregid', 'setresgid', 'setresuid', 'setreuid', 'setsid', 'setuid'],
  ...[
    'getcpu',
    'getrandom',
    'gettimeofday',
    'clock_getres',
    'clock_gettime',
    'sysinfo',
    'time',
    'times',
    'uname',
  ],
] as const;

const NETWORK = [
  ...[
    'accept',
    'accept4',
    'bind',
    'connect',
    'getpeername',
    'getsockname',
    'getsockopt',
    'listen',
    'recvfrom',
  ],
  ...['recvmmsg', 'recvmsg', 'sendmmsg', 'sendmsg', 'sendto', 'setsockopt', 'shutdown'],
] as const;

const AF = { unix: 1, inet: 2, inet6: 10 } as const;
/** CLONE_NEWNS, CGROUP, UTS, IPC, USER, PID and NET: none of them may be in the flags of `clone`. */
const NAMESPACE_FLAGS = 0x7e020000;
const ENOSYS = 38;
/** The bits of a mode that say what kind of node is made, and a pipe with a name: the one kind that is. */
const NODE_KIND = 0xf000;
const NAMED_PIPE = 0x1000;
/** The limit on core files, which nobody may change: lowered to 0 it would not hold back a core pattern that is a pipe. */
const RLIMIT_CORE = 4;
/** Linux's own personality, and the query of the present one. */
const PERSONALITIES = [0x0, 0x8, 0xffffffff] as const;

const allow = (names: readonly string[], args: readonly object[] = [], includes: object = {}) => ({
  names,
  action: 'SCMP_ACT_ALLOW',
  args,
  includes,
});

const equals = (index: number, value: number) => ({ index, value, op: 'SCMP_CMP_EQ' });
const differs = (index: number, value: number) => ({ index, value, op: 'SCMP_CMP_NE' });

/** The profile as the engine takes it: JSON text. */
export const SECCOMP_PROFILE = JSON.stringify({
  defaultAction: 'SCMP_ACT_ERRNO',
  archMap: [
    { architecture: 'SCMP_ARCH_X86_64', subArchitectures: [] },
    { architecture: 'SCMP_ARCH_AARCH64', subArchitectures: [] },
  ],
  syscalls: [
    allow([...FILES, ...WAITING, ...MEMORY, ...PROCESSES, ...IDENTITY, ...NETWORK]),
    ...Object.values(AF).map((family) => allow(['socket'], [equals(0, family)])),
    // A pair of another family would have the kernel load that family's module.
    allow(['socketpair'], [equals(0, AF.unix)]),
    allow(['setrlimit'], [differs(0, RLIMIT_CORE)]),
    // Whoever hands over no new limit only reads the present one.
    allow(['prlimit64'], [differs(1, RLIMIT_CORE)]),
    allow(['prlimit64'], [equals(2, 0)]),
    ...PERSONALITIES.map((personality) => allow(['personality'], [equals(0, personality)])),
    allow(['clone'], [{ index: 0, value: NAMESPACE_FLAGS, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }]),
    ...[
      { name: 'mknod', modeAt: 1 },
      { name: 'mknodat', modeAt: 2 },
    ].map(({ name, modeAt }) =>
      allow([name], [{ index: modeAt, value: NODE_KIND, valueTwo: NAMED_PIPE, op: 'SCMP_CMP_MASKED_EQ' }]),
    ),
    // libc asks for clone3 first and falls back to clone, whose flags can be looked at, when it is not there.
    { names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: ENOSYS, args: [], includes: {} },
  ],
});
