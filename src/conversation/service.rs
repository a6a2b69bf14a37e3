//! The ports of services: where neither flags nor times show the initiator, the side with a service port is
//! the responder.

/// Ports above 1023 that well-known services listen on, in ascending order: the ports of IANA's registry that
/// clients and scanners use, and the ports that scanners have tried in recent years (F5 Labs, GreyNoise,
/// DShield).
const LISTED: [u16; 136] = [
    1080, 1099, 1194, 1433, 1434, 1521, 1701, 1720, 1723, 1883, 1900, 1911, 1935, 2000, 2049, 2082,
    2083, 2086, 2087, 2095, 2096, 2121, 2181, 2222, 2323, 2375, 2376, 2379, 2404, 2483, 2967, 3000,
    3128, 3260, 3268, 3283, 3306, 3389, 3478, 3544, 3689, 3702, 4063, 4369, 4433, 4443, 4444, 4500,
    4567, 4786, 4899, 5000, 5001, 5007, 5060, 5061, 5093, 5222, 5223, 5228, 5269, 5353, 5357, 5432,
    5555, 5601, 5632, 5671, 5672, 5683, 5800, 5858, 5900, 5901, 5938, 5984, 5985, 5986, 6000, 6001,
    6346, 6379, 6443, 6666, 6667, 6881, 7001, 7070, 7443, 7547, 7777, 8000, 8008, 8009, 8080, 8081,
    8083, 8086, 8088, 8089, 8090, 8118, 8123, 8181, 8291, 8333, 8443, 8500, 8545, 8728, 8834, 8880,
    8883, 8888, 9000, 9001, 9042, 9080, 9090, 9092, 9100, 9200, 9300, 9418, 9443, 9600, 9999,
    10000, 10001, 10250, 11211, 27015, 27017, 32764, 37215, 51820,
];

/// Returns how likely a service listens on the port: 2 for ports from 1 to 1023, 1 for a port of the list, 0
/// for others.
#[inline]
pub fn strength(port: u16) -> u8 {
    match port {
        0 => 0,
        1..1024 => 2,
        // No port after the last of the list; most of them are client ports.
        _ if port > 51820 => 0,
        _ => u8::from(is_listed(port)),
    }
}

fn is_listed(port: u16) -> bool {
    LISTED.binary_search(&port).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_and_searched() {
        assert!(LISTED.is_sorted_by(|a, b| a < b));
        let strengths = [0, 1, 53, 1023, 1024, 3389, 51820, 60000].map(strength);
        assert_eq!(strengths, [0, 2, 2, 2, 0, 1, 1, 0]);
    }
}
