//! A thread that writes a table file now and then.

use std::io;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::keeper::{FileTrouble, Saved, TableFile};

/// The thread. It ends when this is dropped, which waits for the write that is under way.
pub struct TableSaver {
    /// Closed to end the thread.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl TableSaver {
    /// Writes the file after each interval in which the table has changed, or has become so much younger.
    /// `report` is told on the thread what became of it.
    ///
    /// Where there is no `file`, because another process has it, `open` is tried at each interval: with a hot
    /// restart the process before ends later than this one begins.
    ///
    /// # Errors
    ///
    /// Those of the system, when there is no thread to have.
    pub fn start(
        mut file: Option<TableFile>,
        open: impl Fn() -> Result<TableFile, FileTrouble> + Send + 'static,
        interval: Duration,
        report: impl Fn(Result<Saved, FileTrouble>) + Send + 'static,
    ) -> io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let interval_ms = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX);
        let thread = thread::Builder::new().name("latchkey-file".to_owned()).spawn(move || {
            while stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                if file.is_none() {
                    match open() {
                        Ok(opened) => file = Some(opened),
                        Err(FileTrouble::Held) => {}
                        Err(trouble) => report(Err(trouble)),
                    }
                }
                if let Some(file) = file.as_ref().filter(|file| !file.is_current(interval_ms)) {
                    report(file.save());
                }
            }
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for TableSaver {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // A thread that has panicked has ended.
            let _ = thread.join();
        }
    }
}
