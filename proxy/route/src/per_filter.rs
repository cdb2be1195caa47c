//! What a split, a route, a virtual host or a whole table tells HTTP filters. Knows filters by the name the listener gives them
//! and nothing of what they are told.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

/// Settings of one level for filters, by their names. One pointer wide: most levels say nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PerFilter(Option<Box<All>>);

/// What a level says, out of line.
#[derive(Debug, Clone, PartialEq)]
struct All(Vec<Override>);

/// What one level tells one filter.
#[derive(Debug, Clone)]
pub struct Override {
    /// The filter's name in the listener's list.
    pub filter: Arc<str>,
    /// The filter does not run. What is said here also turns on a filter that is off by default.
    pub disabled: bool,
    /// Settings of the filter's own.
    pub told: Option<Arc<dyn Told>>,
}

/// A filter's own settings: any plain data.
pub trait Told: Any + fmt::Debug + Send + Sync {
    /// For the filter, which knows the type.
    fn as_any(&self) -> &dyn Any;
    /// Whether the other says the same.
    fn same(&self, other: &dyn Told) -> bool;
}

impl<T: Any + fmt::Debug + PartialEq + Send + Sync> Told for T {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn same(&self, other: &dyn Told) -> bool {
        other.as_any().downcast_ref::<T>().is_some_and(|other| other == self)
    }
}

impl PartialEq for Override {
    fn eq(&self, other: &Self) -> bool {
        self.filter == other.filter
            && self.disabled == other.disabled
            && match (&self.told, &other.told) {
                (Some(a), Some(b)) => a.same(&**b),
                (None, None) => true,
                _ => false,
            }
    }
}

impl PerFilter {
    /// Says nothing.
    pub const NONE: Self = Self(None);

    /// What is said to a filter of this name.
    #[inline]
    pub fn get(&self, filter: &str) -> Option<&Override> {
        self.0.as_deref()?.0.iter().find(|it| *it.filter == *filter)
    }

    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

impl From<Vec<Override>> for PerFilter {
    fn from(mut all: Vec<Override>) -> Self {
        all.shrink_to_fit();
        Self((!all.is_empty()).then(|| Box::new(All(all))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn over(told: Option<Arc<dyn Told>>) -> PerFilter {
        vec![Override { filter: "f".into(), disabled: false, told }].into()
    }

    #[test]
    fn settings_are_equal_by_what_they_say() {
        assert_eq!(over(Some(Arc::new(1u8))), over(Some(Arc::new(1u8))));
        assert_ne!(over(Some(Arc::new(1u8))), over(Some(Arc::new(2u8))));
        assert_ne!(over(Some(Arc::new(1u8))), over(Some(Arc::new(1u16))));
        assert_ne!(over(Some(Arc::new(1u8))), over(None));
        assert_eq!(PerFilter::from(Vec::new()), PerFilter::NONE);
        assert_eq!(std::mem::size_of::<PerFilter>(), std::mem::size_of::<usize>());
    }
}
