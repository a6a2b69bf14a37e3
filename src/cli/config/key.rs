//! Keys, as the modules that use them declare them.

use super::check::{any, duration, network, path, size};

/// A key of a table.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// The name before the equals sign.
    pub name: &'static str,
    /// The form of the value in TOML.
    pub form: Form,
    /// Returns why a text, or a word of a list, cannot be the value.
    pub check: fn(&str) -> Result<(), String>,
    /// The id of the clap argument that the value is for, in each command that reads the table and has
    /// such an argument.
    ///
    /// A key of a repeated table stands for no option, whatever this says.
    pub option: Option<&'static str>,
    /// True if each table that this key belongs to must have it.
    pub is_required: bool,
    /// One line of help.
    pub help: &'static str,
}

/// The form of a value in TOML.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Text in quotes.
    Text,
    /// Text in quotes that names a file or directory, relative to that of the configuration file.
    Path,
    /// `true` or `false`, for an option without a value.
    Flag,
    /// A whole number from 0 on.
    Number,
    /// Text in quotes, or a whole number.
    Word,
    /// A list of texts and whole numbers, or one text with commas.
    List,
    /// A list of texts, each of them taken as it is: the words of a command.
    Argv,
    /// A list of paths, or one text with commas between them; each is relative to the directory of the
    /// configuration file.
    Paths,
    /// A list as [`Form::List`], or `"@FILE"`; the file is relative to that of the configuration.
    Networks,
}

impl Form {
    /// Returns the words by which a message asks for this form.
    pub(super) const fn wanted(self) -> &'static str {
        match self {
            Form::Text => "text in quotes",
            Form::Path => "a path in quotes",
            Form::Flag => "true or false",
            Form::Number => "a whole number without quotes",
            Form::Word => "text in quotes or a whole number",
            Form::List => "a list such as [\"a\", \"b\"]",
            Form::Argv => "a list of texts such as [\"logger\", \"-t\", \"nfkit\"]",
            Form::Paths => "a list of paths such as [\"drop.txt\"]",
            Form::Networks => "a list such as [\"192.0.2.0/24\"], or \"@FILE\"",
        }
    }
}

/// Constructors. The option's id is that of the key, unless [`Key::option`] or [`Key::without_option`]
/// says otherwise.
impl Key {
    /// Returns a key of this form whose values `check` judges.
    pub const fn new(
        name: &'static str,
        form: Form,
        check: fn(&str) -> Result<(), String>,
        help: &'static str,
    ) -> Key {
        Key { name, form, check, option: Some(name), is_required: false, help }
    }

    /// Returns a key for a text that `check` judges.
    pub const fn text(
        name: &'static str,
        check: fn(&str) -> Result<(), String>,
        help: &'static str,
    ) -> Key {
        Key::new(name, Form::Text, check, help)
    }

    /// Returns a key for the path of a file or directory.
    pub const fn path(name: &'static str, help: &'static str) -> Key {
        Key::new(name, Form::Path, any, help)
    }

    /// Returns a key for the paths of files.
    pub const fn paths(name: &'static str, help: &'static str) -> Key {
        Key::new(name, Form::Paths, path, help)
    }

    /// Returns a key for networks.
    pub const fn networks(name: &'static str, help: &'static str) -> Key {
        Key::new(name, Form::Networks, network, help)
    }

    /// Returns a key for a duration with its unit.
    pub const fn duration(name: &'static str, help: &'static str) -> Key {
        Key::new(name, Form::Text, duration, help)
    }

    /// Returns a key for a size with its unit.
    pub const fn size(name: &'static str, help: &'static str) -> Key {
        Key::new(name, Form::Text, size, help)
    }

    /// Returns a key for a whole number.
    pub const fn number(name: &'static str, help: &'static str) -> Key {
        Key::new(name, Form::Number, any, help)
    }

    /// Returns a key for an option without a value.
    pub const fn flag(name: &'static str, help: &'static str) -> Key {
        Key::new(name, Form::Flag, any, help)
    }

    /// Returns this key, for the option with another id.
    pub const fn option(self, id: &'static str) -> Key {
        Key { option: Some(id), ..self }
    }

    /// Returns this key, which stands for no option.
    pub const fn without_option(self) -> Key {
        Key { option: None, ..self }
    }
    /// Returns this key, which each table that it belongs to must have.
    pub const fn required(self) -> Key {
        Key { is_required: true, ..self }
    }
}
