//! The history of the site: new findings are merged into the days they belong to, and each day that has changed is
//! gone through again.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;

use super::course::{Carry, DayCourse, Detail, replay};
use super::day::DayData;
use super::error::Error;
use super::store::{Store, StoredDay, Summary};
use super::traffic::{SlotTraffic, TrafficDay};
use crate::finding::Item;
use crate::incident::Policy;
use crate::report::LocalTime;
use crate::time::{Mark, Timeline, Timestamp};

/// The most findings of all days that wait in memory to be merged into the store.
const MAX_WAITING: usize = 50_000;

/// The most days that wait: without this bound, marks of a million days would fill the memory.
const MAX_DAYS: usize = 1_000;

const DAY: u64 = 86_400;

/// Findings and marks as they come, by the day of their window.
#[derive(Debug)]
pub struct NewDays {
    days: BTreeMap<Date, DayData>,
    timeline: Timeline,
    /// Lines that were taken since the last merge.
    waiting: usize,
    /// Findings without a window, which belong to no day.
    unknown: u64,
    bad_lines: u64,
    bad_inputs: u64,
    is_empty: bool,
}

impl NewDays {
    /// Returns an empty input. With `now`, lines of windows that begin more than one slot after it are set aside.
    pub fn new(now: Option<Timestamp>) -> NewDays {
        NewDays {
            days: BTreeMap::new(),
            timeline: Timeline::new(now),
            waiting: 0,
            unknown: 0,
            bad_lines: 0,
            bad_inputs: 0,
            is_empty: true,
        }
    }

    /// Adds one line of a finding stream.
    pub fn item(&mut self, item: Item, zone: &LocalTime) {
        let Some(window) = item.window() else { return };
        if !self.timeline.note(window) {
            return;
        }
        self.is_empty = false;
        let Some(window) = window else {
            self.unknown += u64::from(matches!(item, Item::Finding(_)));
            return;
        };
        let day = self.days.entry(zone.date(window.start())).or_default();
        match item {
            Item::Finding(finding) => day.finding(*finding),
            Item::Mark(Mark::End(end)) => day.end(&end),
            Item::Mark(Mark::Window(_)) => {}
        }
        self.waiting += 1;
    }

    /// Returns true if it is time to merge what waits.
    pub fn is_full(&self) -> bool {
        self.waiting >= MAX_WAITING || self.days.len() > MAX_DAYS
    }

    /// Counts a line that could not be read.
    pub fn bad_line(&mut self) {
        self.bad_lines += 1;
    }

    /// Counts an input that could not be read to its end.
    pub fn bad_input(&mut self) {
        self.bad_inputs += 1;
    }

    /// Returns the number of lines that could not be read, and of inputs.
    pub fn bad(&self) -> (u64, u64) {
        (self.bad_lines, self.bad_inputs)
    }

    /// Returns the number of findings without a window.
    pub fn unknown(&self) -> u64 {
        self.unknown
    }

    /// Returns true if the input had lines or files, but none could be read.
    pub fn is_unreadable(&self) -> bool {
        self.is_empty && self.bad_lines + self.bad_inputs > 0
    }

    /// Returns the times of the lines that were taken or set aside.
    pub fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// Merges what waits into the store. Returns the messages about files that were damaged.
    ///
    /// # Errors
    /// The system's error, or a file of a newer version.
    pub fn merge(&mut self, store: &Store) -> Result<Vec<String>, Error> {
        let mut said = Vec::new();
        self.waiting = 0;
        for (date, mut new) in std::mem::take(&mut self.days) {
            new.settle();
            if new.is_empty() {
                continue;
            }
            let mut day = stored(store, date, &mut said)?;
            let before = day.text();
            day.join(new);
            // Lines that are known already change nothing.
            if day.text() != before || day.was_damaged {
                store.put_day(date, &day)?;
            }
        }
        Ok(said)
    }
}

/// Moves windows to the days that they belong to in another time zone, if the store was split by another one. Returns
/// the messages about files that were damaged.
///
/// # Errors
/// The system's error, or a file of a newer version.
pub fn set_zone(store: &Store, zone: &LocalTime) -> Result<Vec<String>, Error> {
    let mut said = Vec::new();
    let before = store.zone()?;
    if before.as_deref() == Some(zone.name()) {
        return Ok(said);
    }
    // A window is added to its new day before it is removed from the old one.
    for date in store.days()? {
        let day = stored(store, date, &mut said)?;
        let mut days = day.split(|window| zone.date(window.start()));
        let own = days.remove(&date);
        for (date, moved) in days {
            let mut day = stored(store, date, &mut said)?;
            day.join(moved);
            store.put_day(date, &day)?;
        }
        match own {
            Some(own) => store.put_day(date, &own)?,
            None => store.remove(date)?,
        }
    }
    for date in store.traffic_days()? {
        let day = stored_traffic(store, date, &mut said)?.unwrap_or_default();
        let mut days = day.split(|window| zone.date(window.start()));
        let own = days.remove(&date);
        for (date, moved) in days {
            let mut day = stored_traffic(store, date, &mut said)?.unwrap_or_default();
            day.merge(moved);
            store.put_traffic(date, &day)?;
        }
        match own {
            Some(own) => store.put_traffic(date, &own)?,
            None => store.remove_traffic(date)?,
        }
    }
    store.put_zone(zone.name())?;
    Ok(said)
}

/// Returns what the store has of a day. A damaged file is set aside, with a message, and the day says so.
fn stored(store: &Store, date: Date, said: &mut Vec<String>) -> Result<DayData, Error> {
    match store.day(date)? {
        StoredDay::Missing => Ok(DayData::default()),
        StoredDay::Whole(day) => Ok(day),
        StoredDay::Damaged(why) => {
            let aside = store.set_aside(date)?;
            said.push(format!(
                "{date}: the file of this day is damaged ({why}) and is now {}; give nfpage the findings of that \
                 day again",
                aside.display()
            ));
            Ok(DayData::damaged())
        }
    }
}

/// Returns the traffic of a day, if there is any. A file that cannot be read is set aside, with a message.
fn stored_traffic(
    store: &Store,
    date: Date,
    said: &mut Vec<String>,
) -> Result<Option<TrafficDay>, Error> {
    let known = store.traffic(date)?;
    if known.is_none() && store.has_traffic(date) {
        let aside = store.set_traffic_aside(date)?;
        said.push(format!(
            "{date}: the traffic of this day cannot be read and is now {}; give nfpage its --traffic again",
            aside.display()
        ));
    }
    Ok(known)
}

/// The traffic of the days that are kept, the oldest first.
pub type TrafficDays = Vec<(Date, TrafficDay)>;

/// Merges traffic into the days that it belongs to. Returns that of the days that are kept, at most 31, and messages
/// about files that could not be read. Windows that begin more than one slot after `now` are left out. `first`: the
/// oldest day that the site keeps.
///
/// # Errors
/// The system's error.
pub fn update_traffic(
    store: &Store,
    zone: &LocalTime,
    new: &[SlotTraffic],
    now: Option<Timestamp>,
    first: Option<Date>,
) -> Result<(TrafficDays, Vec<String>), Error> {
    let mut said = Vec::new();
    let mut days: BTreeMap<Date, TrafficDay> = BTreeMap::new();
    for slot in new {
        if now.is_none_or(|now| !slot.window.is_ahead_of(now)) {
            days.entry(zone.date(slot.window.start())).or_default().add(slot);
        }
    }
    for (date, new) in days {
        let known = stored_traffic(store, date, &mut said)?;
        let mut day = known.clone().unwrap_or_default();
        day.merge(new);
        if known.as_ref() != Some(&day) {
            store.put_traffic(date, &day)?;
        }
    }
    let mut kept = store.traffic_days()?;
    if let Some(first) = first {
        let newer = kept.split_off(&first);
        for date in std::mem::replace(&mut kept, newer) {
            store.remove_traffic(date)?;
        }
    }
    let shown = kept.len().saturating_sub(TRAFFIC_DAYS);
    let mut days = TrafficDays::new();
    for date in kept.into_iter().skip(shown) {
        days.extend(store.traffic(date)?.map(|day| (date, day)));
    }
    Ok((days, said))
}

/// Forgets what was computed of the findings, so that all is computed again, and that files were damaged: whoever asks
/// for this has given the findings of those days again.
///
/// # Errors
/// The system's error, or a file of a newer version.
pub fn rebuild(store: &Store) -> Result<(), Error> {
    for date in store.days()? {
        store.forget_course(date)?;
        if let StoredDay::Whole(mut day) = store.day(date)? {
            if std::mem::take(&mut day.was_damaged) {
                store.put_day(date, &day)?;
            }
        }
    }
    Ok(())
}

/// The days of traffic that the site shows.
const TRAFFIC_DAYS: usize = 31;

/// The days that the site shows.
#[derive(Debug)]
pub struct History {
    /// The days with their courses in short, the oldest first.
    pub days: Vec<(Date, Summary)>,
    /// The newest day's incidents that are not over.
    pub carry: Carry,
    /// Messages about files that were damaged.
    pub said: Vec<String>,
    /// Days that were gone through.
    pub replayed: u64,
}

impl History {
    /// Goes through each day that has changed, and drops the days that are too old. `keep`: the number of days that
    /// are kept, counted back from the newest one.
    ///
    /// # Errors
    /// The system's error, or a file of a newer version.
    pub fn update(store: &Store, policy: &Policy, keep: u32) -> Result<History, Error> {
        let mut history =
            History { days: Vec::new(), carry: Carry::default(), said: Vec::new(), replayed: 0 };
        // Days that were dropped left this.
        let (dropped, base) = store.base().unwrap_or_default();
        let mut after = base.digest();
        // The carry of the day before, if it is in memory.
        let mut carry = Some(base);
        for date in store.days()? {
            // A run that was killed did not remove it, or a late line has brought it back.
            if dropped.is_some_and(|dropped| date <= dropped) {
                store.remove(date)?;
                continue;
            }
            if let Some(summary) = store.summary(date).filter(|known| known.before == after) {
                after = summary.after;
                carry = None;
                history.days.push((date, summary));
                continue;
            }
            let before = match carry.take() {
                Some(carry) => carry,
                None => history.carry_of_last(store, policy)?,
            };
            let (summary, course) = history.day(store, date, &before, policy)?;
            after = summary.after;
            carry = Some(course.carry);
            history.days.push((date, summary));
        }
        history.carry = match carry {
            Some(carry) => carry,
            None => history.carry_of_last(store, policy)?,
        };
        history.forget(store, keep)?;
        Ok(history)
    }

    /// Goes through one day and writes its course down.
    fn day(
        &mut self,
        store: &Store,
        date: Date,
        before: &Carry,
        policy: &Policy,
    ) -> Result<(Summary, DayCourse), Error> {
        let said = self.said.len();
        let day = stored(store, date, &mut self.said)?;
        if self.said.len() > said {
            store.put_day(date, &day)?;
        }
        let course = replay(&day, before, policy);
        self.replayed += 1;
        let summary = Summary {
            before: before.digest(),
            after: course.carry.digest(),
            windows: course.windows.clone(),
            parts: course.parts.clone(),
            left_out: day.left_out(),
            lacks_verdicts: day.lacks_verdicts(),
            was_damaged: day.was_damaged,
        };
        store.put_course(date, &summary, &course)?;
        Ok((summary, course))
    }

    /// Returns what the last of the days leaves to the next, which is in no memory.
    fn carry_of_last(&mut self, store: &Store, policy: &Policy) -> Result<Carry, Error> {
        let Some((date, _)) = self.days.last() else {
            return Ok(store.base().map(|(_, base)| base).unwrap_or_default());
        };
        let date = *date;
        if let Some((_, carry)) = store.details(date) {
            return Ok(carry);
        }
        // Its details are damaged, though what comes before them is not.
        self.days.pop();
        let before = self.carry_of_last(store, policy)?;
        let (summary, course) = self.day(store, date, &before, policy)?;
        self.days.push((date, summary));
        Ok(course.carry)
    }

    /// Removes days that are too old, counted back from the newest day. As in the ten-minute job, nothing is removed
    /// while less than half of the newest day's time was judged: a wrong clock must not empty the site.
    fn forget(&mut self, store: &Store, keep: u32) -> Result<(), Error> {
        let Some((newest, _)) = self.days.last() else { return Ok(()) };
        let Some(until) = self.carry.until() else { return Ok(()) };
        let judged: BTreeSet<(u64, u32)> = self
            .days
            .iter()
            .rev()
            .take(2)
            .flat_map(|(_, summary)| &summary.windows)
            .filter(|row| row.start + DAY >= until)
            .map(|row| (row.start, row.seconds))
            .collect();
        let seconds: u64 = judged.iter().map(|(_, seconds)| u64::from(*seconds)).sum();
        if 2 * seconds < DAY {
            return Ok(());
        }
        let days = i64::from(keep.max(1)) - 1;
        let Ok(first) = newest.checked_sub(jiff::Span::new().days(days)) else { return Ok(()) };
        let old = self.days.partition_point(|(date, _)| *date < first);
        let Some((last, _)) = self.days.get(..old).and_then(<[_]>::last) else { return Ok(()) };
        // The first day that stays goes on from here. Without it the next run computes it, and drops the days.
        let Some((_, carry)) = store.details(*last) else { return store.forget_course(*last) };
        store.put_base(*last, &carry)?;
        for (date, _) in self.days.drain(..old) {
            store.remove(date)?;
        }
        Ok(())
    }

    /// Returns the first day that is kept, if days before it were dropped.
    pub fn first_kept(&self, store: &Store) -> Option<Date> {
        let (dropped, _) = store.base()?;
        dropped?.tomorrow().ok()
    }

    /// Returns the details of a day.
    pub fn details(store: &Store, date: Date) -> Vec<Detail> {
        store.details(date).map(|(details, _)| details).unwrap_or_default()
    }
}
