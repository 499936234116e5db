//! What the system says of processes.

use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, Signal, System};

/// Whether there is a process of this id, a zombie included.
pub(crate) fn exists(pid: u32) -> bool {
    let pid = Pid::from_u32(pid);
    let mut system = System::new();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), true, ProcessRefreshKind::nothing());
    system.process(pid).is_some()
}

/// The processes that this one has started.
pub(crate) fn children(parent: u32) -> Vec<u32> {
    let mut system = System::new();
    system.refresh_processes_specifics(ProcessesToUpdate::All, true, ProcessRefreshKind::nothing());
    system
        .processes()
        .values()
        .filter(|process| process.parent() == Some(Pid::from_u32(parent)))
        .filter(|process| process.thread_kind().is_none())
        .map(|process| process.pid().as_u32())
        .collect()
}

/// Sends a signal to a process.
pub(crate) fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_u32(pid);
    let mut system = System::new();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), true, ProcessRefreshKind::nothing());
    let sent = system.process(pid).unwrap().kill_with(signal);
    assert_eq!(sent, Some(true));
}
