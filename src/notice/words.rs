//! The texts of mails in each language: what happened, what it usually means, and what to do about it.
//!
//! The reader was woken by the mail, and knows the machine but not this program.

mod en;
mod situation;
mod table;
mod wrap;
mod zh_tw;

use crate::contacts::Lang;

pub(super) use situation::Situation;
pub(super) use table::{Noun, SituationWords, Words};
pub(super) use wrap::{WIDTH, columns, line, wrap};

/// Returns the words of a language.
pub(super) const fn words_of(lang: Lang) -> &'static Words {
    match lang {
        Lang::En => &en::WORDS,
        Lang::ZhTw => &zh_tw::WORDS,
    }
}

/// Returns the rule as the detector gave it, limited to what cannot disturb a mail: 200 characters of
/// printable ASCII.
pub(super) fn plain(text: &str) -> String {
    text.chars().take(200).map(|c| if matches!(c, ' '..='~') { c } else { '?' }).collect()
}

#[cfg(test)]
mod tests;
