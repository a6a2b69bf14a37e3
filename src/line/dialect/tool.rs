//! The programs whose output can be read.

use std::str::FromStr;

/// A program whose output is read as flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// nfkit itself: flow lines.
    Flow,
    /// nfdump, its CSV.
    Nfdump,
    /// SiLK's rwcut.
    Rwcut,
    /// Zeek, its conn.log, as text or JSON.
    Zeek,
    /// An AWS VPC, its flow logs.
    Vpc,
}

impl Tool {
    /// All programs.
    pub const ALL: [Tool; 5] = [Tool::Flow, Tool::Nfdump, Tool::Rwcut, Tool::Zeek, Tool::Vpc];

    /// Returns the name that options use.
    pub const fn name(self) -> &'static str {
        match self {
            Tool::Flow => "flow",
            Tool::Nfdump => "nfdump",
            Tool::Rwcut => "rwcut",
            Tool::Zeek => "zeek",
            Tool::Vpc => "vpc",
        }
    }
}

impl FromStr for Tool {
    type Err = String;

    fn from_str(text: &str) -> Result<Tool, String> {
        let found = Tool::ALL.into_iter().find(|tool| tool.name() == text);
        found.ok_or_else(|| {
            format!("unknown program; use one of: {}", Tool::ALL.map(Tool::name).join(" "))
        })
    }
}
