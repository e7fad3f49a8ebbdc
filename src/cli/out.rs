//! Where a verb's words go.
//!
//! Guarantees:
//! - What is hidden in texts of others is shown: no manifest, argument or message of AWS works on the
//!   terminal.
//! - A reader that has seen enough (`trueup get | head`) stops nothing that the verb does; an output that
//!   cannot be written to is an error.
//! - A pager and a screen that is drawn again are for terminals alone.

use std::fmt::Arguments;
use std::io::{self, IsTerminal, Write};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::CliError;
use crate::model::{visible, visible_in_colour};

/// Whether output has colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Colour {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    Always,
    Never,
}

static COLOUR: OnceLock<Colour> = OnceLock::new();

pub(super) fn choose_colour(colour: Colour) {
    // A second choice is the same one: there is one command line.
    let _ = COLOUR.set(colour);
}

/// Whether standard error has colours. NO_COLOR counts where it is set to anything: <https://no-color.org>.
pub(super) fn has_colours() -> bool {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var("TERM").is_ok_and(|term| term == "dumb");
    match COLOUR.get().copied().unwrap_or_default() {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto => io::stderr().is_terminal() && !no_color && !is_dumb,
    }
}

/// Prints a line to standard output, which is what was asked for.
macro_rules! say {
    ($($text:tt)*) => { $crate::cli::out::line(format_args!($($text)*))? };
}
pub(super) use say;

pub(super) fn line(text: Arguments<'_>) -> Result<(), CliError> {
    print(&format!("{text}\n"))
}

/// Prints lines; none where there are none.
pub(super) fn lines(text: &str) -> Result<(), CliError> {
    if text.is_empty() { Ok(()) } else { line(format_args!("{text}")) }
}

/// Prints a text that has its own line ends.
pub(super) fn print(text: &str) -> Result<(), CliError> {
    write(&visible(text))
}

/// Clears the terminal and prints a text, as watch(1) does.
pub(super) fn redraw(text: &str) -> Result<(), CliError> {
    // Home, and erase what is below: ECMA-48's CUP and ED.
    write(&format!("\x1b[H\x1b[J{}\n", visible(text)))
}

/// Whether standard output is a terminal, to which more may be done than to append.
pub(super) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

fn write(text: &str) -> Result<(), CliError> {
    let write = |out: &mut dyn Write| out.write_all(text.as_bytes()).and_then(|()| out.flush());
    let mut pager = PAGER.lock().unwrap_or_else(PoisonError::into_inner);
    let written = match pager.as_mut().and_then(|pager| pager.stdin.as_mut()) {
        Some(pager) => write(pager),
        None => write(&mut io::stdout().lock()),
    };
    match written {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            NOBODY_READS.store(true, Ordering::Relaxed);
            Ok(())
        }
        Err(error) => Err(CliError::io("cannot write to standard output", error)),
    }
}

/// The pager that standard output goes through.
static PAGER: Mutex<Option<Child>> = Mutex::new(None);

/// From here on, output goes through a pager where standard output is a terminal: `TRUEUP_PAGER`, `PAGER` or
/// less, as git does it. An empty one, or `cat`, is none.
pub(super) fn page() {
    let named = ["TRUEUP_PAGER", "PAGER"].into_iter().find_map(|name| std::env::var(name).ok());
    let command = named.unwrap_or_else(|| "less".to_owned());
    if !is_terminal() || ["", "cat"].contains(&command.trim()) {
        return;
    }
    let mut shell = Command::new("sh");
    shell.args(["-c", &command]).stdin(Stdio::piped());
    if std::env::var_os("LESS").is_none() {
        // Ends where all fits on one screen, passes colours on, and leaves the text on the terminal.
        shell.env("LESS", "FRX");
    }
    // Without a shell there is no pager; the terminal shows everything all the same.
    *PAGER.lock().unwrap_or_else(PoisonError::into_inner) = shell.spawn().ok();
}

/// Waits until the pager's reader has seen enough.
pub(super) fn end_page() {
    let pager = PAGER.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(mut pager) = pager {
        drop(pager.stdin.take());
        // How it ended is its reader's business.
        let _ = pager.wait();
    }
}

static NOBODY_READS: AtomicBool = AtomicBool::new(false);

/// Whether the reader of standard output has gone: who only prints may end.
pub(super) fn nobody_reads() -> bool {
    NOBODY_READS.load(Ordering::Relaxed)
}

/// Tells something beside: a line on standard error. Where nobody can be told, nothing more can be done.
macro_rules! note {
    ($($text:tt)*) => { $crate::cli::out::beside(format_args!($($text)*)) };
}
pub(super) use note;

pub(super) fn beside(text: Arguments<'_>) {
    let _ = writeln!(io::stderr().lock(), "{}", visible(&text.to_string()));
}

/// As [`beside`], of a text with colours of ours.
pub(super) fn beside_in_colour(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", visible_in_colour(text));
}

/// A bar on standard error, which is seen on a terminal alone.
pub(super) fn progress<N: TryInto<u64>>(length: N, template: &str) -> ProgressBar {
    let length = length.try_into().unwrap_or(u64::MAX);
    let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr());
    // The templates are ours and do parse; without one the bar is merely plainer.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}
