//! Panics of tasks, which a runtime would keep to itself.

use std::cell::RefCell;
use std::sync::Once;

static HOOK: Once = Once::new();

thread_local! {
    /// All runtimes of a world run on its thread.
    static SEEN: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Listens from now on, and forgets what was heard.
pub(crate) fn forget() {
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            SEEN.with_borrow_mut(|seen| _ = seen.get_or_insert_with(|| panic.to_string()));
            before(panic);
        }));
    });
    SEEN.set(None);
}

/// The first panic since.
pub(crate) fn seen() -> Option<String> {
    SEEN.with_borrow(Clone::clone)
}
