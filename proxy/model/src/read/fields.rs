//! The verdict on every field of a message, checked by the compiler: a field is read, harmless, or refused by name, and a
//! new field of the vocabulary breaks the build until somebody decides. Knows no message.

use std::collections::HashMap;
use std::fmt::Debug;

/// Takes a reference to a message apart. `read` fields become local references; `harmless` ones may say what they like,
/// because what they change is nothing a request could notice here; `refused` ones have to be unset.
macro_rules! fields {
    ($at:expr, $message:expr => $Type:path {
        read: [$($read:ident),* $(,)?],
        harmless: [$($harmless:ident),* $(,)?],
        refused: [$($refused:ident),* $(,)?] $(,)?
    }) => {
        let $Type { $($read,)* $($harmless: _,)* $($refused,)* } = $message;
        $(if !$crate::read::fields::Unset::is_unset($refused) {
            return Err($at.field(stringify!($refused)).unsupported($crate::read::fields::Unset::said($refused)));
        })*
    };
}
pub(crate) use fields;

/// Whether a field says nothing.
pub(crate) trait Unset {
    fn is_unset(&self) -> bool;

    /// What it says otherwise, as people know it.
    fn said(&self) -> &dyn Debug;
}

impl<T: Debug> Unset for Option<T> {
    fn is_unset(&self) -> bool {
        self.is_none()
    }

    fn said(&self) -> &dyn Debug {
        self.as_ref().map_or(self, |value| value)
    }
}

impl<T: Debug> Unset for Vec<T> {
    fn is_unset(&self) -> bool {
        self.is_empty()
    }

    fn said(&self) -> &dyn Debug {
        self
    }
}

impl<K: Debug, V: Debug> Unset for HashMap<K, V> {
    fn is_unset(&self) -> bool {
        self.is_empty()
    }

    fn said(&self) -> &dyn Debug {
        self
    }
}

impl Unset for String {
    fn is_unset(&self) -> bool {
        self.is_empty()
    }

    fn said(&self) -> &dyn Debug {
        self
    }
}

macro_rules! zero_is_unset {
    ($($T:ty),*) => {
        $(impl Unset for $T {
            fn is_unset(&self) -> bool {
                *self == <$T>::default()
            }

            fn said(&self) -> &dyn Debug {
                self
            }
        })*
    };
}
zero_is_unset!(bool, i32, i64, u32);
