//! Who the collector is once it has its sockets: binding a low port and a large buffer take root,
//! nothing after that does.

use anyhow::Context;
use nix::unistd::{Gid, Group, Uid, User, setgid, setgroups, setuid};

/// Becomes another user, or has another group, for good.
///
/// # Errors
/// Names that the system does not know, or that it does not allow.
pub fn become_user(user: Option<&str>, group: Option<&str>) -> anyhow::Result<()> {
    let account = user.map(find_user).transpose()?;
    let gid = match group {
        Some(name) => Some(find_group(name)?),
        None => account.as_ref().map(|&(_, gid)| gid),
    };
    let failed = |what: &str, name: Option<&str>| format!("--{what} {}", name.unwrap_or_default());
    if let Some(gid) = gid {
        let what = if group.is_some() { ("group", group) } else { ("user", user) };
        // The groups that root has are not for others.
        if Uid::effective().is_root() {
            setgroups(&[gid]).with_context(|| failed(what.0, what.1))?;
        }
        setgid(gid).with_context(|| failed(what.0, what.1))?;
    }
    if let Some((uid, _)) = account {
        setuid(uid).with_context(|| failed("user", user))?;
        let stays_root = !uid.is_root() && setuid(Uid::from_raw(0)).is_ok();
        anyhow::ensure!(!stays_root, "--user: root can be had back");
    }
    Ok(())
}

fn find_user(name: &str) -> anyhow::Result<(Uid, Gid)> {
    let context = || format!("--user {name}");
    match name.parse() {
        Ok(number) => match User::from_uid(Uid::from_raw(number)).with_context(context)? {
            Some(user) => Ok((user.uid, user.gid)),
            None => Ok((Uid::from_raw(number), Gid::from_raw(number))),
        },
        Err(_) => {
            let user = User::from_name(name).with_context(context)?;
            let user = user.ok_or_else(|| anyhow::anyhow!("{}: no such user", context()))?;
            Ok((user.uid, user.gid))
        }
    }
}

fn find_group(name: &str) -> anyhow::Result<Gid> {
    let context = || format!("--group {name}");
    if let Ok(number) = name.parse() {
        return Ok(Gid::from_raw(number));
    }
    let group = Group::from_name(name).with_context(context)?;
    Ok(group.ok_or_else(|| anyhow::anyhow!("{}: no such group", context()))?.gid)
}
