//! The texts of mails in Chinese as written in Taiwan.

use crate::contacts::Lang;
use crate::finding::{Role, Sample, words};
use crate::flow::{ICMP, ICMPV6};

use super::situation::Situation;
use super::table::{Noun, SituationWords, Texts, Words};

/// Chinese as written in Taiwan.
pub(super) static WORDS: Words = Words {
    lang: Lang::ZhTw,
    texts: Texts {
        and: "{a}和{b}",
        and_list: "；",
        list: "、",
        and_more: "，以及{more}",
        more: "另外{count}個",
        more_hosts: "另外{count}台",
        sentence_more: "以及{more}。",
        line_more: "以及{more}",
        hello: "您好：",
        hello_name: "{name}您好：",
        our_routers: "本單位路由器",
        routers_of: "{site}路由器",
        signature: "本信由 nfkit 根據{routers}的流量紀錄寄出。回信會有專人閱讀：{who}",
        about: "{routers}的流量紀錄顯示，您負責的{what}有異常，請儘快派人檢查：",
        a_machine: "一台機器",
        a_network: "一個網路",
        several: "{what}",
        named_below: "以及{more}，列於文末",
        further_hosts: "其他主機",
        meaning: "通常代表什麼",
        if_situation: "如果{situation}：",
        check_suspect: "機器有這種行為時，請檢查",
        check_victim: "機器遭受攻擊時，請檢查",
        when_fixed: "處理之後",
        fixed: "請回覆本信：是什麼狀況、做了什麼處理、何時處理。即使沒有問題也請回信，之後就能不再計入這類流量。如果這\
            台機器不歸您管，請告訴我們由誰負責。",
        silence: "下列時段沒有任何路由器送出流量紀錄。在恢復之前，什麼都看不到，也不會警告任何人。請檢查路由器是否\
            仍在送出紀錄、紀錄能否到達收集器，以及是否列在 --allow 之中：",
        others: "{routers}的流量紀錄中出現下列主機，無法確定屬於本單位，因此沒有寫信通知對方：",
        other_facts: "{flows}，對方有{peers}，{when}",
        no_exporter: "沒有路由器送出紀錄",
        subject: "{host} {behaviours}",
        subject_more: "；以及{more}",
        subject_time: "；{time}",
        moment_length: "{moment}，{length}",
        at_port: "{behaviour}{port}",
        on_port: "{behaviour}：{port}",
        behaviours: "；",
        responsible: "{net}登記由您負責。",
        nobody_responsible: "此位址或網路沒有登記負責人。",
        seen: "觀察到：{what}。",
        when: "時間",
        port: "埠",
        how_much: "數量",
        to: "對象",
        from: "來源",
        rule: "規則",
        evidence: "證據",
        note: "說明",
        amount: "{flows}，每秒{rate}筆；{packets}，{bytes}",
        all_windows: "所有時段合計{flows}",
        when_many: "{between}之間的{windows}，以{worst}最多",
        unknown_time: "資料未載明時間",
        time_to: "至",
        window: "{between}（{length}）",
        peer: "{host}（{flows}）",
        peers: "{hosts}：{list}",
        peers_in: "{hosts}，分布於{list}",
    },
    check_suspect: CHECK_SUSPECT,
    check_victim: CHECK_VICTIM,
    situation,
    mark,
    count,
    length,
    port,
    sample,
};

fn count(number: u64, noun: Noun) -> String {
    let number = words::count(number);
    match noun {
        Noun::Flow => format!("{number} 筆流量"),
        Noun::Packet => format!("{number} 個封包"),
        Noun::Host => format!("{number} 台主機"),
        Noun::Machine => format!("{number} 台機器"),
        Noun::Network => format!("{number} 個網路"),
        Noun::Window => format!("{number} 個時段"),
        Noun::MoreHosts => format!("另外 {number} 台主機"),
        Noun::MoreNetworks => format!("另外 {number} 個網路"),
        Noun::MoreWindows => format!("另外 {number} 個時段"),
        Noun::SmallerFindings => format!("另外 {number} 項較輕微的偵測結果"),
    }
}

fn length(seconds: u32) -> String {
    match seconds {
        s if s % 3600 == 0 => format!("{} 小時", words::count(u64::from(s / 3600))),
        s if s % 60 == 0 => format!("{} 分鐘", words::count(u64::from(s / 60))),
        s => format!("{} 秒", words::count(u64::from(s))),
    }
}

fn protocol(proto: u8) -> String {
    let name = words::protocol(proto);
    match name.strip_prefix("IP protocol ") {
        Some(number) => format!("IP 協定 {number}"),
        None => name,
    }
}

/// Returns the name of a service in Chinese; names of protocols and products stay as they are.
fn service(name: &str) -> &str {
    match name {
        "echo request" => "回應要求",
        "echo reply" => "回應答覆",
        "unreachable" => "無法到達",
        "mail" => "郵件",
        "name service" => "網域名稱服務",
        "web" => "網頁",
        "time service" => "校時服務",
        "Windows networking" => "Windows 網路",
        "web, encrypted" => "加密網頁",
        "Windows file sharing" => "Windows 檔案共用",
        "printer" => "印表機",
        "mail submission" => "郵件寄送",
        "imap, encrypted" => "加密 imap",
        "telnet of small devices" => "小型裝置的 telnet",
        "Windows remote desktop" => "Windows 遠端桌面",
        "telephony, sip" => "網路電話 sip",
        "web proxy" => "網頁代理",
        name => name,
    }
}

fn icmp(proto: u8, port: u16) -> String {
    format!("{} 類型 {} 代碼 {}", protocol(proto), port >> 8, port & 0xff)
}

fn port(proto: Option<u8>, port: Option<u16>) -> String {
    match (proto, port) {
        (None, None) => "多種協定與埠".to_owned(),
        (None, Some(port)) => format!("埠 {port}，多種協定"),
        (Some(proto), Some(port)) => {
            let text = match proto {
                ICMP | ICMPV6 => icmp(proto, port),
                _ => format!("{} 埠 {port}", protocol(proto)),
            };
            match words::service(Some(proto), Some(port)) {
                Some(name) => format!("{text}（{}）", service(name)),
                None => text,
            }
        }
        (Some(proto @ (ICMP | ICMPV6)), None) => protocol(proto),
        (Some(proto), None) => format!("{}，多個埠", protocol(proto)),
    }
}

fn sample(sample: &Sample) -> String {
    let Sample { sip, sport, dip, dport, proto } = *sample;
    match proto {
        ICMP | ICMPV6 => format!("{sip} 到 {dip}，{}", icmp(proto, dport)),
        _ => format!("{sip} 埠 {sport} 到 {dip} 埠 {dport}，{}", protocol(proto)),
    }
}

const fn situation(situation: Situation) -> SituationWords {
    SituationWords { short: short(situation), long: long(situation), meaning: meaning(situation) }
}

const fn short(situation: Situation) -> &'static str {
    match situation {
        Situation::Infected => "疑似遭入侵",
        Situation::Scanner => "掃描其他網路",
        Situation::PortAttacker => "攻擊",
        Situation::Guesser => "反覆嘗試連線",
        Situation::Spammer => "向許多郵件伺服器寄信",
        Situation::Flooder | Situation::Outbound => "以大量流量攻擊其他主機",
        Situation::Reflector => "被利用來攻擊他人",
        Situation::FloodVictim | Situation::DosVictim | Situation::VolumeVictim => {
            "遭受大量流量攻擊"
        }
        Situation::DdosVictim => "遭受眾多主機攻擊",
        Situation::ReflectionVictim => "遭受大量回應封包攻擊",
        Situation::Carpet => "整個網路遭受攻擊",
        Situation::Victim => "遭受攻擊",
    }
}

const fn long(situation: Situation) -> &'static str {
    match situation {
        Situation::Infected => "它曾在這個埠遭受攻擊，現在又在同一個埠攻擊其他主機",
        Situation::Scanner => "它逐一探測整個網路中的主機",
        Situation::PortAttacker => "它不斷向同一個埠建立連線",
        Situation::Guesser => "它反覆連線到少數主機的同一個埠",
        Situation::Spammer => "它向許多郵件伺服器寄信，本身卻不是郵件伺服器",
        Situation::Flooder => "它以大量連線或封包攻擊其他主機",
        Situation::Outbound => "它每秒送出數千個封包，卻沒有任何回應",
        Situation::Reflector => "它送出沒有人要求的回應",
        Situation::FloodVictim => "它收到的流量遠高於平常",
        Situation::DosVictim => "它收到的連線遠多於平常，大多來自少數主機",
        Situation::DdosVictim => "它收到的連線遠多於平常，來自許多主機",
        Situation::ReflectionVictim => "它收到從未要求過的回應",
        Situation::VolumeVictim => "它收到的封包或位元組遠多於平常",
        Situation::Carpet => "網路中的每台主機都收到少量的攻擊流量",
        Situation::Victim => "它正遭受攻擊",
    }
}

const WANTS: &str = "可能有人想讓這台機器上的服務停擺。機器本身沒有嫌疑。上面列出的攻擊者可能是遭入侵的機器，其主人並不知\
    情；如果數量極多，位址也可能是偽造的。其中若有本單位的機器，其負責人會同時收到通知。";
const BUSY: &str =
    "也可能有正當原因：新聞熱潮、備份、測試，或是不斷重試的程式。若是如此，請在回信中說明。";

const fn meaning(situation: Situation) -> &'static [&'static str] {
    match situation {
        Situation::Infected => &[
            "一台曾在這個埠攻擊許多主機的機器侵入了這台機器，此後它也這樣攻擊別人。上面「規則」中的 by 就是對方。幾乎只有\
             蠕蟲或入侵才會如此：請先中斷它的網路連線，再進行檢查。",
            "若有正當原因，例如某個程式一向會在這個埠連線到別人，請在回信中說明。",
        ],
        Situation::Scanner => &[
            "逐一探測各個網路的機器，是在尋找可以入侵的對象。這很少是機器主人所為：通常是機器本身遭到入侵，成為別人的跳板。",
            "也可能有正當原因：監控、資產盤點，或是回應所有人的網域名稱或校時伺服器。若是如此，請在回信中說明，這些流量之\
             後就不再計入。",
        ],
        Situation::PortAttacker => &[
            "在幾分鐘內向同一個埠建立數千條連線的機器，通常感染了蠕蟲，或是遭到入侵而成為跳板，被用來攻擊別人或猜測密碼。\
             這很少是機器主人所為。",
            "也可能有正當原因：代理伺服器、郵件轉送、網頁爬蟲、負載測試。若是如此，請在回信中說明，這些流量之後就不再計入。",
        ],
        Situation::Guesser => &[
            "與另一台主機的同一個埠一再建立工作階段的機器，通常是在那裡嘗試猜測密碼。它可能遭到入侵，或是有人在上面執行猜密碼\
             的程式。也請檢查對方：在上述主機的紀錄檔中，多次失敗後成功的登入就是入侵。",
            "也可能有正當原因：仍使用舊密碼的程式、備份、會登入的監控。若是如此，請在回信中說明，這些流量之後就不再計入。",
        ],
        Situation::Spammer => &[
            "向許多郵件伺服器寄信、自己卻不收信的機器，通常在寄送垃圾郵件：原因可能是病毒，或是帳號、網頁遭到入侵。不久之\
             後，別人就會拒收我們整個網路的郵件。請查看是什麼程式連到埠 25，以及等待寄送的郵件（mailq）。",
            "也可能有正當原因：新的郵件伺服器，或是自行寄送電子報或警報的程式。若是如此，請在回信中說明，這些流量之後就不\
             再計入。",
        ],
        Situation::Flooder => &[
            "以大量流量攻擊別人的機器通常已遭入侵，由別人指定攻擊對象。這很少是機器主人所為。",
            "也可能有正當原因：備份、負載測試，或是兩台伺服器之間的大量往來。若是如此，請在回信中說明，這一對主機之後就不再\
             計入。",
        ],
        Situation::Outbound => &[
            "每秒向某台主機送出數千個封包卻沒有回應的機器，通常正在參與攻擊：它遭到入侵，由別人指定攻擊對象。這很少是機器主\
             人所為。",
            "也可能有正當原因：串流、通道，或是以 UDP 進行、回程走另一條路徑的備份。若是如此，請在回信中說明，這一對主機之\
             後就不再計入。",
        ],
        Situation::Reflector => &[
            "這樣的機器通常沒有遭到入侵，而是被利用：有人冒用上述主機的位址向它的服務提問，比問題更大的回應就淹沒了那些主機。\
             請查看是哪個服務從上述流量中的埠送出（網域名稱 53、校時 123、snmp 161、ssdp 1900、memcached 11211）：讓它\
             只回應本單位的網路、限制回應同一位址的頻率，或是把它關閉。",
            "也可能有正當原因：提問走了我們看不到的路徑。若是如此，請在回信中說明。",
        ],
        Situation::FloodVictim => &[WANTS, BUSY],
        Situation::DosVictim => &[
            WANTS,
            "大部分流量來自少數主機：除非位址是偽造的，限制或過濾這些主機就能立即見效。",
            BUSY,
        ],
        Situation::DdosVictim => &[
            WANTS,
            "流量來自非常多的主機，過濾個別位址效果有限。請限制服務接受的數量，或要求上游過濾。",
            BUSY,
        ],
        Situation::ReflectionVictim => &[
            "有人冒用這台機器的位址向世界各地的開放伺服器提問，它們的回應塞滿了線路。機器本身沒有嫌疑，上面列出的主機是被利\
             用的，並非攻擊者。幾乎所有流量都來自同一個埠，也就是上面規則中的 sport：請在回信中要求上游過濾來自該埠的流量。",
            "也可能有正當原因：機器確實提出了要求，但走了我們看不到的路徑。若是如此，請在回信中說明。",
        ],
        Situation::VolumeVictim => &[
            "它收到的流量是平常的數倍，也多於它送出的流量，線路可能已經滿載。機器本身沒有嫌疑。這裡有人向上面列出的主機要求過這\
             些資料嗎？如果沒有，請在回信中要求上游過濾。",
            "也可能有正當原因：備份、大型下載、人人都在看的影片。若是如此，請在回信中說明。",
        ],
        Situation::Carpet => &[
            "有人想讓整個網路的線路停擺，並刻意只向每台主機送出少量流量，讓任何一台都不明顯。網路中的機器都沒有嫌疑。請檢查網\
             路前端的路由器和線路，而不是個別機器，並在回信中要求上游過濾。",
            "也可能有正當原因：對整個網路的資產盤點或監控。若是如此，請在回信中說明。",
        ],
        Situation::Victim => &[
            "有人想侵入這台機器，或是想知道上面執行哪些服務。機器本身目前沒有嫌疑，但攻擊可能已經得手。",
        ],
    }
}

const CHECK_SUSPECT: &[&str] = &[
    "關機之前先檢查：正在執行的程式就是證據，重新開機會把它清除。請記下您做了什麼、何時做的。",
    "開啟中的工作階段：who、last -n 50、netstat -an（Windows：netstat -ano）。尋找連到上述埠和主機的連線。",
    "連線背後的程式：ss -tunp、lsof -i（Windows：netstat -anob）。留意從 /tmp、/var/tmp、/dev/shm 或使用者目錄執行的\
     程式，以及檔案已被刪除的程式。",
    "行程：ps auxf。不認識的名稱，或是重複出現的熟悉名稱。",
    "自動啟動的項目：每個使用者的 crontab -l、/etc/cron*、at -l、systemctl list-timers、開機腳本（Windows：工作排程器、\
     服務、Run 機碼）。",
    "帳號：新增的帳號、第二個使用者識別碼為 0 的帳號、~/.ssh/authorized_keys 中無人認得的金鑰、在不尋常的時間登入。",
    "上述最早時間之前幾小時的紀錄檔：多次失敗後成功的登入、使網頁伺服器啟動 shell 的請求。紀錄檔若有缺口，本身也是答案。",
    "如果無法解釋它的行為，或是它仍在持續：請立即讓它離線（拔掉網路線、關閉交換器的埠），否則它可能在路由器上被封鎖。",
    "遭入侵的機器不要只清理，而要用可信任的媒體重新安裝，裝好所有修補程式後再上線。更換所有在上面用過的密碼。",
];

const CHECK_VICTIM: &[&str] = &[
    "服務是否仍能從內部和外部連上？",
    "負載與連線：uptime、ss -s、netstat -an。許多半開連線（SYN-RECV）代表 SYN 洪水攻擊：請開啟 SYN cookies。",
    "服務在上述時間的紀錄檔：是否一再出現相同的請求？是否來自上面列出的主機？",
    "在封鎖整個位址之前，先在服務或防火牆上限制每個位址能建立的連線數：位址可能是偽造的，封鎖會傷及無辜。",
    "如果撐不住，請在回信中要求上游過濾。請勿反擊。",
    "也請檢查登入紀錄和新出現的行程：大量流量可能是在掩護入侵。",
];

fn mark(mark: &str, role: Role) -> Option<&'static str> {
    Some(match (mark, role) {
        ("forged", Role::Target) => "來源看起來是偽造的：列為對方的位址可能是無辜的。",
        ("forged", Role::Source) => {
            "來源看起來是偽造的：可能是別人冒用了這個位址，這台機器可能是無辜的。"
        }
        ("sampled", _) => "路由器只計算一部分封包：實際數量更多。",
        ("lossy", _) => "路由器的部分紀錄遺失：實際數量更多。",
        ("oneway", _) => "許多回應沒有流量紀錄：有些看似沒有回應的連線可能其實有回應。",
        ("outbreak", _) => "此時攻擊這個埠的機器遠多於平常：可能有蠕蟲正在流行。",
        _ => return None,
    })
}
