//! The outbox over a real file.

use super::*;
use crate::incident::{Notice, NoticeState, Step};

const NOW: u64 = 1_000_000;

fn notice(incident: u64, recipient: &str, state: NoticeState) -> Notice {
    Notice {
        incident,
        recipient: recipient.to_owned(),
        step: Step::First,
        state,
        at: NOW,
        matters: 1,
        peak: 2.0,
        last: window(0).start(),
        accepted: None,
    }
}

fn new(recipient: &str, token: &str) -> NewMail {
    NewMail {
        kind: MailKind::Notice,
        recipient: recipient.to_owned(),
        sender: "nfkit+b-1@example.org".to_owned(),
        token: token.to_owned(),
        message_id: format!("<{token}@example.org>"),
        step: Some(Step::First),
        text: "Subject: é\r\n\r\n".to_owned(),
    }
}

/// Returns a store with two incidents, three waiting notices, and a mail that tells the first two of them.
fn filled() -> (Place, u64) {
    let mut place = Place::new();
    ingest(&mut place.store, &[scan(0, 1, 100), scan(0, 2, 100)], &[0]);
    step(&mut place.store, 0);
    let mut update = place.store.update(NOW, Mode::Live).unwrap();
    for (incident, who) in [(1, "A@example.org"), (2, "a@example.org"), (2, "b@example.org")] {
        update.notice(&notice(incident, who, NoticeState::Wanted)).unwrap();
    }
    let waiting = update.waiting_notices().unwrap();
    assert_eq!(waiting.iter().map(|one| one.id).collect::<Vec<_>>(), [1, 2, 3]);
    let mail = update.mail(&new("a@example.org", "ab")).unwrap();
    update.told_by(1, mail).unwrap();
    update.told_by(2, mail).unwrap();
    update.commit().unwrap();
    (place, mail)
}

#[test]
fn a_mail_and_its_notices_are_settled_together() {
    let (mut place, id) = filled();
    let store = &mut place.store;
    let waiting = store.waiting_notices().unwrap();
    assert_eq!(waiting.iter().map(|one| one.id).collect::<Vec<_>>(), [3]);
    let told = store.notices_of_mail(id).unwrap();
    assert_eq!(told.iter().map(|one| one.id).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(store.due_mails(NOW - 1, 3600).unwrap(), [0; 0]);
    assert_eq!(store.due_mails(NOW, 3600).unwrap(), [id]);
    // A clock was ahead when it was made.
    assert_eq!(store.due_mails(NOW - 3601, 3600).unwrap(), [id]);
    let due = store.mail(id).unwrap().unwrap();
    assert_eq!((due.mail.clone(), due.state), (new("a@example.org", "ab"), NoticeState::Wanted));
    // An attempt that failed.
    let mut update = store.update(NOW + 1, Mode::Live).unwrap();
    update.mail_state(id, NoticeState::Sending, "").unwrap();
    update.put_off(id, NOW + 300, "no route").unwrap();
    update.commit().unwrap();
    assert_eq!(store.due_mails(NOW + 299, 3600).unwrap(), [0; 0]);
    assert_eq!(store.due_mails(NOW + 300, 3600).unwrap(), [id]);
    let due = store.mail(id).unwrap().unwrap();
    assert_eq!((due.tries, due.why.as_str(), due.state), (1, "no route", NoticeState::Wanted));
    assert_eq!(store.unsent_mails().unwrap().len(), 1);
    assert_eq!(store.figures().unwrap().oldest_unsent, Some(NOW));
    // And one that did not.
    let mut update = store.update(NOW + 400, Mode::Live).unwrap();
    update.mail_state(id, NoticeState::Accepted, "").unwrap();
    for notice in [1, 2] {
        update.notice_state(notice, NoticeState::Accepted).unwrap();
    }
    update.commit().unwrap();
    assert_eq!(store.due_mails(NOW + 9999, 3600).unwrap(), [0; 0]);
    let mail = store.mail_of_token("ab").unwrap().unwrap();
    assert_eq!((mail.id, mail.settled, mail.mail.text.as_str()), (id, Some(NOW + 400), ""));
    assert_eq!(store.mail_of_token("").unwrap(), None);
    assert_eq!(store.notices(1).unwrap()[0].accepted, Some(NOW + 400));
    let thread = store.thread(1, "a@EXAMPLE.org").unwrap();
    assert_eq!(thread.as_deref(), Some("<ab@example.org>"));
    assert_eq!(store.thread(1, "b@example.org").unwrap(), None);
    let since = |since| store.mails_since(MailKind::Notice, since, NOW + 500).unwrap();
    assert_eq!(since(NOW - 1)["a@example.org"], 1);
    assert_eq!(since(NOW + 399).len(), 1, "it was accepted after that");
    assert_eq!(since(NOW + 400).len(), 0);
    let early = store.mails_since(MailKind::Notice, 0, NOW - 1).unwrap();
    assert_eq!(early.len(), 0, "the clock was ahead when it was made");
    assert_eq!(store.mails_since(MailKind::PassedOn, 0, NOW + 500).unwrap().len(), 0);
    assert_eq!(store.accepted_since(NOW + 399, NOW + 400).unwrap(), 1);
    assert_eq!(store.accepted_since(NOW + 399, NOW + 399).unwrap(), 0);
    let older = Mail { at: NOW - 1, ..mail };
    assert!(store.was_overtaken(&older, NOW + 401).unwrap());
    assert!(!store.was_overtaken(&older, NOW + 400).unwrap());
    // It comes back, and the operator is told once.
    let mut update = store.update(NOW + 500, Mode::Live).unwrap();
    update.mail_state(id, NoticeState::Bounced, "no such user").unwrap();
    update.notice_state(1, NoticeState::Bounced).unwrap();
    update.count_unreported(Unreported::Replies, 3).unwrap();
    update.commit().unwrap();
    assert_eq!(store.unreported_mails().unwrap()[0].why, "no such user");
    assert_eq!(store.unreported(Unreported::Replies).unwrap(), 3);
    assert_eq!(store.notices(1).unwrap()[0].accepted, Some(NOW + 400), "when it was accepted");
    let mut update = store.update(NOW + 600, Mode::Live).unwrap();
    update.reported().unwrap();
    update.commit().unwrap();
    assert_eq!(store.unreported_mails().unwrap(), []);
    assert_eq!(store.unreported(Unreported::Replies).unwrap(), 0);
    assert_eq!(store.last_report().unwrap(), NOW + 600);
}

#[test]
fn two_mails_never_share_a_token_but_may_have_none() {
    let (mut place, _) = filled();
    let mut update = place.store.update(NOW, Mode::Live).unwrap();
    let none = NewMail { sender: String::new(), token: String::new(), ..new("a@example.org", "c") };
    update.mail(&none).unwrap();
    update.mail(&none).unwrap();
    let error = update.mail(&new("b@example.org", "ab")).unwrap_err();
    assert!(error.to_string().contains("UNIQUE"), "{error}");
}

#[test]
fn an_import_sends_nothing_that_waited_when_the_copy_was_made() {
    let (place, id) = filled();
    let export = place.dir.path().join("e.jsonl");
    std::fs::write(&export, dump(&place.store)).unwrap();
    let path = place.dir.path().join("new.db");
    let (store, _) = Store::import(&path, &export, &row(9, "imported"), 11, Mode::Live).unwrap();
    assert_eq!(store.unsent_mails().unwrap(), []);
    assert_eq!(store.waiting_notices().unwrap(), []);
    let mail = store.mail(id).unwrap().unwrap();
    assert_eq!((mail.state, mail.mail.text.as_str()), (NoticeState::Superseded, ""));
    for incident in [1, 2] {
        let notices = store.notices(incident).unwrap();
        assert!(notices.iter().all(|notice| notice.state == NoticeState::Superseded));
    }
    // The number of a mail is not used again, as its Message-ID is made of that of its notices.
    let mut store = store;
    let mut update = store.update(NOW, Mode::Live).unwrap();
    assert_eq!(update.mail(&new("a@example.org", "cd")).unwrap(), id + 1);
}

#[test]
fn mails_are_forgotten_with_their_incidents_but_not_before_they_are_sent() {
    for (state, left) in [(NoticeState::Sending, 1), (NoticeState::Accepted, 0)] {
        let (mut place, id) = filled();
        let store = &mut place.store;
        let end = window(0).end();
        let mut update = store.update(end, Mode::Live).unwrap();
        update.mail_state(id, state, "").unwrap();
        update.commit().unwrap();
        store.db.execute("UPDATE mail SET at = ?1", [end as i64]).unwrap();
        store
            .db
            .execute_batch(
                "UPDATE incident SET state = 'closed', changed = 1000000800,
                        body = json_set(body, '$.state', json('{\"Closed\":\"Quiet\"}'),
                                        '$.changed', 1000000800)",
            )
            .unwrap();
        let now = end + 40 * DAY;
        ingest(store, &[], &[(now - window(0).start()) / SLOT]);
        step(store, now);
        let mut update = store.update(now, Mode::Live).unwrap();
        assert_eq!(update.retain(30 * DAY).unwrap().incidents, 2);
        update.commit().unwrap();
        let sql = "SELECT count(*) FROM mail";
        let count: i64 = store.db.query_row(sql, [], |row| row.get(0)).unwrap();
        assert_eq!(count, left, "{state:?}");
    }
}
