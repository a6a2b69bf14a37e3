//! The actors in one window: their flows in the order of arrival, and the counts for the truth.
//!
//! Each activity of an actor has a random generator of its own, so that adding an actor changes nothing of the
//! others. Flows are drawn when they are needed: only those of conversations that have begun and are not
//! exported yet are held, about half a minute's.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::action::ActionCtx;
use super::actor::Family;
use super::actors::Actors;
use super::campus::{Campus, UPLINK};
use super::draw::Dice;
use super::member::{Activity, Member, Schedule, SourceCounts};
use super::record::{flow, settle};
use super::script::{Script, ScriptFlow};
use super::{floods, innocents, scans, worms};
use crate::flow::Flow;
use crate::time::{Timestamp, Window};

/// The length, in milliseconds, from which on an action is long. A short action begins at its moment, so that
/// the probes of a scanner keep their order. The first flow of a long action is exported at its moment, because
/// the action would otherwise reach beyond the window.
const LONG: u64 = 10_000;

/// An activity of an actor in a window.
#[derive(Clone, Debug)]
struct ActorActivity {
    member: Member,
    activity: Activity,
    schedule: Schedule,
    script: Script,
    /// The number of actions so far.
    done: u32,
    /// The counts of each source.
    counts: Vec<SourceCounts>,
}

/// The counts of the sources of an activity.
#[derive(Clone, Copy, Debug)]
pub(super) struct ActivityCounts<'a> {
    pub(super) member: &'a Member,
    pub(super) activity: Activity,
    pub(super) counts: &'a [SourceCounts],
}

/// A flow that was drawn and has not arrived. Pending flows are ordered by arrival, and by the other fields if
/// they arrive together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct PendingFlow {
    arrival: Timestamp,
    /// The index of the activity.
    activity: usize,
    /// The number of the flow in the window.
    number: u64,
    counted_for: Option<u8>,
    flow: Flow,
}

/// The actors in one window.
#[derive(Clone, Debug)]
pub(super) struct WindowActors {
    seed: u64,
    window: Window,
    /// The number of the window in the plan, from 0.
    index: u32,
    activities: Vec<ActorActivity>,
    /// The moment of the next action of each activity that has actions left, with its index.
    next_actions: BinaryHeap<Reverse<(Timestamp, usize)>>,
    pending: BinaryHeap<Reverse<PendingFlow>>,
    /// The number of flows so far.
    drawn: u64,
}

impl WindowActors {
    /// Returns the actors at the beginning of a window, whose number in the plan is `index`.
    pub(super) fn new(seed: u64, window: Window, index: u32, actors: &Actors) -> WindowActors {
        let all = actors.members().flat_map(|member| member.activities().map(|a| (*member, a)));
        let activities = all.map(|(member, activity)| ActorActivity {
            member,
            activity,
            schedule: member.schedule(activity, window, index),
            script: Script::new(Dice::new(member.key, window.start(), 0xac7 + activity as u64)),
            done: 0,
            counts: vec![SourceCounts::default(); usize::from(member.sources())],
        });
        let mut actors = WindowActors {
            seed,
            window,
            index,
            activities: activities.collect(),
            next_actions: BinaryHeap::new(),
            pending: BinaryHeap::new(),
            drawn: 0,
        };
        (0..actors.activities.len()).for_each(|activity| actors.schedule_next(activity));
        actors
    }

    /// Returns the number of the window in the plan, from 0.
    pub(super) fn index(&self) -> u32 {
        self.index
    }

    /// Returns each activity of each actor with the counts of its sources.
    pub(super) fn counts(&self) -> impl Iterator<Item = ActivityCounts<'_>> {
        self.activities.iter().map(|ActorActivity { member, activity, counts, .. }| {
            ActivityCounts { member, activity: *activity, counts }
        })
    }

    /// Draws the moment of the next action of an activity, somewhere in its share of the schedule.
    fn schedule_next(&mut self, index: usize) {
        let ActorActivity { schedule, script, done, .. } = &mut self.activities[index];
        let actions = u64::from(schedule.actions);
        if u64::from(*done) < actions {
            let share = if schedule.is_exact { 1 } else { (schedule.span / actions).max(1) };
            let begin = u128::from(schedule.span) * u128::from(*done) / u128::from(actions);
            let moment = schedule.from + begin as u64 + script.dice.below_wide(share);
            let start = Timestamp::from_secs(self.window.start());
            let moment = Timestamp::from_nanos(start.nanos() + moment);
            self.next_actions.push(Reverse((moment, index)));
        }
    }

    /// Returns the arrival of the next flow. Plays actions until that flow is known.
    pub(super) fn peek(&mut self, campus: &Campus) -> Option<Timestamp> {
        while let Some(&Reverse((moment, index))) = self.next_actions.peek() {
            if self.pending.peek().is_some_and(|Reverse(first)| first.arrival <= moment) {
                break;
            }
            self.next_actions.pop();
            self.play(index, moment, campus);
            self.schedule_next(index);
        }
        self.pending.peek().map(|Reverse(first)| first.arrival)
    }

    /// Returns the next flow and its arrival.
    pub(super) fn next(&mut self, campus: &Campus) -> Option<(Timestamp, Flow)> {
        self.peek(campus)?;
        let Reverse(first) = self.pending.pop()?;
        let ActorActivity { member, counts, .. } = &mut self.activities[first.activity];
        if let Some(counts) = first.counted_for.and_then(|n| counts.get_mut(usize::from(n))) {
            counts.count(&first.flow, member.receives());
        }
        Some((first.arrival, first.flow))
    }

    /// Plays an action at `moment`. Its flows arrive at that moment or later, when the router exports them.
    fn play(&mut self, activity_index: usize, moment: Timestamp, campus: &Campus) {
        let ActorActivity { member, activity, script, done, .. } =
            &mut self.activities[activity_index];
        let (seed, index, activity, step) = (self.seed, self.index, *activity, *done);
        let overall = u64::from(index) * u64::from(member.actions(activity)) + u64::from(step);
        let ctx = ActionCtx { seed, member, activity, campus, index, step, overall };
        match (activity, member.actor.family()) {
            (Activity::Visitors, _) => innocents::visitor(&ctx, script),
            (_, Family::Scan) => scans::act(&ctx, script),
            (_, Family::Flood) => floods::act(&ctx, script),
            (_, Family::Worm) => worms::act(&ctx, script),
            (_, Family::Innocent) => innocents::act(&ctx, script),
        }
        *done += 1;
        let mut flows = std::mem::take(&mut script.flows);
        let exported = flows.iter().map(|f| f.start + f.millis + script.export_delay(f));
        let exported: Vec<u64> = exported.collect();
        let length = flows.iter().map(|f| f.start + f.millis).max();
        let first = match length {
            Some(LONG..) => exported.iter().copied().min().unwrap_or(0),
            _ => 0,
        };
        let zero = (moment.nanos() / 1_000_000).saturating_sub(first);
        let last = Timestamp::from_nanos(Timestamp::from_secs(self.window.end()).nanos() - 1);
        for (planned, exported) in flows.drain(..).zip(exported) {
            let ScriptFlow {
                proto, from, to, totals, start, millis, counted_for, by_uplink, ..
            } = planned;
            let arrival = moment.offset(((exported - first) * 1_000_000) as i64).min(last);
            let mut flow = flow(proto, from, to, totals, zero + start + millis, millis);
            if by_uplink {
                flow.sif = UPLINK;
            }
            self.pending.push(Reverse(PendingFlow {
                arrival,
                activity: activity_index,
                number: self.drawn,
                counted_for,
                flow: settle(flow, arrival),
            }));
            self.drawn += 1;
        }
        // The empty list keeps its memory for the next action.
        script.flows = flows;
    }
}
