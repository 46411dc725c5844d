//! Two links with one device: which of them goes, so that both ends keep the same one without a word.
//!
//! Of links dialled from different ends, those dialled by the lower device id stay. Of links dialled from the same end
//! the newest stays, and only the end that dialled them ends the others: it alone knows for sure in which order it
//! dialled, while connections may come up in any order at the other end.

use holdfast_domain::frame::LinkId;
use holdfast_domain::identity::DeviceId;
use holdfast_domain::limits::DEVICE_LINKS_MAX;

/// One of several links with one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rival {
    pub(crate) link: LinkId,
    pub(crate) outgoing: bool,
    /// Rises with each link that comes up here.
    pub(crate) age: u64,
    /// Whether the peer's greeting was accepted on it.
    pub(crate) greeted: bool,
}

/// The links to end, given all links with the device `peer`. None goes before the one that stays has been greeted.
pub(crate) fn superfluous(me: DeviceId, peer: DeviceId, links: &[Rival]) -> Vec<LinkId> {
    let by_lower = |rival: &Rival| rival.outgoing == (me < peer);
    let Some(best) = links.iter().filter(|rival| rival.greeted).max_by_key(|rival| (by_lower(rival), rival.age)) else {
        return Vec::new();
    };
    let mut incoming: Vec<&Rival> = links.iter().filter(|rival| !rival.outgoing).collect();
    incoming.sort_by_key(|rival| rival.age);
    let crowd = incoming.len().saturating_sub(DEVICE_LINKS_MAX);
    let crowded: Vec<LinkId> = incoming[..crowd].iter().map(|rival| rival.link).collect();
    links
        .iter()
        .filter(|rival| {
            let outranked = by_lower(best) && !by_lower(rival);
            let outdated = rival.outgoing && best.outgoing && rival.age < best.age;
            rival.link != best.link && (outranked || outdated || crowded.contains(&rival.link))
        })
        .map(|rival| rival.link)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOW: DeviceId = DeviceId([1; 16]);
    const HIGH: DeviceId = DeviceId([2; 16]);

    fn rival(link: u64, outgoing: bool, greeted: bool) -> Rival {
        Rival { link: LinkId(link), outgoing, age: link, greeted }
    }

    #[test]
    fn nothing_goes_before_the_better_link_is_greeted() {
        assert_eq!(superfluous(LOW, HIGH, &[rival(1, false, true), rival(2, true, false)]), []);
        assert_eq!(superfluous(LOW, HIGH, &[rival(1, false, true), rival(2, true, true)]), [LinkId(1)]);
    }

    #[test]
    fn both_ends_keep_the_link_dialled_by_the_lower_device() {
        let (at_low, at_high) =
            ([rival(1, true, true), rival(2, false, true)], [rival(7, true, true), rival(8, false, true)]);
        assert_eq!(superfluous(LOW, HIGH, &at_low), [LinkId(2)]);
        assert_eq!(superfluous(HIGH, LOW, &at_high), [LinkId(7)]);
    }

    #[test]
    fn only_the_end_that_dialled_twice_ends_the_older() {
        assert_eq!(superfluous(LOW, HIGH, &[rival(1, true, true), rival(2, true, true)]), [LinkId(1)]);
        assert_eq!(superfluous(HIGH, LOW, &[rival(1, false, true), rival(2, false, true)]), []);
    }

    #[test]
    fn a_device_cannot_pile_up_links() {
        let links: Vec<Rival> = (1..=6).map(|link| rival(link, false, link == 6)).collect();
        assert_eq!(superfluous(HIGH, LOW, &links), [LinkId(1), LinkId(2)]);
    }
}
