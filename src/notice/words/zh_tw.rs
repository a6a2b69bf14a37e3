//! The texts of mails in Chinese as written in Taiwan.

use crate::contacts::Lang;
use crate::finding::{Role, Sample, words};
use crate::flow::{ICMP, ICMPV6};

use super::situation::Situation;
use super::table::{Noun, SituationWords, Texts, Words};

mod letter;

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
        signature: "本信由 nfkit 根據{routers}的流量紀錄寄出。回信將由專人處理（{who}）。",
        about: "{routers}的流量紀錄顯示，您負責的{what}有異常，請儘快派人檢查：",
        a_machine: "一台機器",
        a_network: "一個網路",
        several: "{what}",
        named_below: "以及{more}，列於文末",
        further_hosts: "其他主機",
        meaning: "通常代表什麼",
        if_situation: "如果{situation}：",
        tell: "若是如此，請在回信中說明，管理者可據以排除這些流量。",
        check_suspect: "機器有這種行為時，請檢查",
        check_victim: "機器遭受攻擊時，請檢查",
        when_fixed: "處理之後",
        fixed: "請回覆本信：是什麼狀況、做了什麼處理、何時處理。即使沒有問題也請回信，管理者可據以排除這類流量。如\
            果這台機器不歸您管，請告訴我們由誰負責。",
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
        nobody_responsible: "此 IP 位址或網路沒有登記負責人。",
        seen: "觀察到：{what}。",
        when: "時間",
        port: "埠",
        how_much: "數量",
        to: "對象",
        from: "來源",
        rule: "規則",
        evidence: "佐證",
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
        passed_subject: "有人回覆{incidents}",
        passed_subject_none: "有人回覆通知",
        passed_subject_other: "有人回覆測試信或報告",
        passed_subject_unknown: "寄給 nfkit 的信",
        passed_subject_release: "請求解除隔離：{incidents}",
        passed_subject_release_none: "請求解除隔離",
        passed_incident: "事件{ids}",
        passed_incidents: "事件{ids}",
        passed_release: "這封回信涉及的主機中有一台正被隔離，請將回信視為解除隔離的請求：只有您能解除隔離。確認機器沒有問題\
            之後，請以事件編號執行 nfnotify resolve，隔離即會解除。",
        passed_claims: "有人回覆了{incidents}的通知，視為表示會處理。詳情請見 nfnotify show。",
        passed_no_incident: "有人回覆了通知。這封回信沒有認領任何事件：通知中的事件已經結案，或是先前已有人認領。",
        passed_other: "有人回覆了 nfkit 的一封信，該信與任何事件無關：可能是測試信或報告。",
        passed_unknown: "這封信寄到 nfkit 的郵件地址，但沒有 nfkit 發出的識別碼，因此無從得知寄件人的身分，也不認領任何事件。",
        passed_sender: "寄件地址",
        passed_from: "寄件人",
        passed_re: "主旨",
        passed_hosts: "主機",
        passed_size: "大小",
        passed_no_proof: "寄件地址和寄件人都不能證明身分：任何人都可以填寫任何名字。",
        passed_token: "不過，收到這封回信的郵件地址只寫在 nfkit 的信裡，所以寫信的人看過該信。",
        passed_text: "信件內容：",
        passed_goes_on: "內容過長，以上並非全文，全文請見附件。",
        passed_html: "這封信只有 HTML，沒有純文字內容。請見附件，並小心其中的連結。",
        passed_no_text: "這封信沒有可在此顯示的文字，請見附件。",
        passed_attached: "附件是信件的原文。",
        passed_cut: "信件過大，無法完整轉寄；附件是開頭的 {part}。",
        passed_held_back: "在此之前因數量過多而未轉寄的信：{count}封。",
        passed_signature: "本信由 nfnotify receive 寄出。",
        passed_reply_to: "回覆本信會寄給收到通知的 {who}。",
        passed_no_reply: "若要答覆，請在確認寄件地址可信之後自行寫信。",
        test_subject: "測試：信件寄得出去",
        test_out: "這是 nfnotify test 的測試信。您已收到本信，表示寄信正常。",
        test_reply: "接著請測試回信：請回覆本信，幾分鐘內您會收到 nfnotify receive 轉寄的回信。如果沒有收到，表示郵件伺服器沒有\
            把回信交給 nfnotify receive，請參閱 nfnotify(1)。",
        test_no_way_back: "目前收不到回信：沒有程式會讀取回信，無法送達的信件也不會有人發現。設定方法請參閱 nfnotify(1) 的 nfnotify \
            receive。",
        test_back_subject: "測試：收得到回信",
        test_back: "這是 nfnotify test 的測試信，寄往收取回信的郵件地址，由 nfnotify receive 收下。如果是由人讀到本信，表示郵件伺服\
            器沒有把回信交給 nfnotify receive，請參閱 nfnotify(1)。",
    },
    letter: letter::LETTER,
    check_suspect: CHECK_SUSPECT,
    check_victim: CHECK_VICTIM,
    check_suspect_short: letter::CHECK_SUSPECT_SHORT,
    check_victim_short: letter::CHECK_VICTIM_SHORT,
    situation,
    mark,
    count,
    length,
    port,
    sample,
    measure: letter::measure,
};

fn count(number: u64, noun: Noun) -> String {
    let number = words::count(number);
    match noun {
        Noun::Flow => format!("{number} 筆流量紀錄"),
        Noun::Packet => format!("{number} 個封包"),
        Noun::Host => format!("{number} 台主機"),
        Noun::Machine => format!("{number} 台機器"),
        Noun::Network => format!("{number} 個網路"),
        Noun::Window => format!("{number} 個時段"),
        Noun::MoreHosts => format!("另外 {number} 台主機"),
        Noun::MoreNetworks => format!("另外 {number} 個網路"),
        Noun::MoreWindows => format!("另外 {number} 個時段"),
        Noun::SmallerFindings => format!("另外 {number} 項較輕微的偵測結果"),
        Noun::Incident => format!("{number} 起事件"),
        Noun::MoreIncidents => format!("另外 {number} 起事件"),
        Noun::MoreMatters => format!("另外 {number} 項"),
        Noun::Finding => format!("{number} 項偵測結果"),
        Noun::Notice => format!("{number} 則通知"),
        Noun::Mail => format!("{number} 封郵件"),
        Noun::MoreMails => format!("另外 {number} 封郵件"),
        Noun::Isolated => format!("{number} 起已隔離"),
        Noun::Released => format!("{number} 起已解除隔離"),
        Noun::Deadline => format!("{number} 起訂有處理期限"),
        Noun::Reminder => format!("{number} 起再次提醒"),
        Noun::Grown => format!("{number} 起情況擴大"),
        Noun::New => format!("{number} 起首次通知"),
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
        Situation::PortScanner => "掃描一台主機的各個埠",
        Situation::PortAttacker => "攻擊",
        Situation::Lateral => "嘗試登入內部許多主機",
        Situation::Listed => "與威脅情資名單上的主機通訊",
        Situation::Guesser => "反覆嘗試連線",
        Situation::Spammer => "向許多郵件伺服器寄信",
        Situation::Flooder | Situation::Outbound => "以大量流量攻擊其他主機",
        Situation::Reflector => "被利用來攻擊其他主機",
        Situation::FloodVictim | Situation::DosVictim | Situation::VolumeVictim => {
            "遭受大量流量攻擊"
        }
        Situation::DdosVictim => "遭受眾多主機攻擊",
        Situation::ReflectionVictim => "遭受大量回應封包攻擊",
        Situation::Carpet => "整個網路遭受攻擊",
        Situation::Backscatter => "遭受偽造來源的大量流量攻擊",
        Situation::GuessedVictim => "遭眾多主機猜測密碼",
        Situation::SwarmVictim => "遭眾多互不相關的主機探測",
        Situation::Outage => "未回應其用戶端",
        Situation::Victim => "遭受攻擊",
    }
}

const fn long(situation: Situation) -> &'static str {
    match situation {
        Situation::Infected => "它曾在這個埠遭受攻擊，現在又在同一個埠攻擊其他主機",
        Situation::Scanner => "它逐一探測許多主機",
        Situation::PortScanner => "它逐一探測一台主機的各個埠",
        Situation::PortAttacker => "它不斷向同一個埠建立連線",
        Situation::Lateral => "它嘗試登入內部許多平時沒有往來的主機，並遭到拒絕",
        Situation::Listed => "它主動與威脅情資名單列為惡意的 IP 位址通訊",
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
        Situation::Backscatter => {
            "有人偽造來源 IP 位址，以大量流量攻擊它，它因而回應了從未連線過來的主機"
        }
        Situation::GuessedVictim => "許多外部主機各自登入同一個埠數次，有如猜測密碼",
        Situation::SwarmVictim => "許多互不相關的外部主機探測同一個埠，每台只探測少數位址",
        Situation::Outage => "它過去一天服務過的用戶端都得不到回應",
        Situation::Victim => "它正遭受攻擊",
    }
}

const WANTS: &str = "可能有人想讓這台機器上的服務停擺。機器本身沒有嫌疑。上面列出的攻擊者可能是遭入侵的機器，使用者並不知\
    情；如果數量極多，來源 IP 位址也可能是偽造的。其中若有本單位的機器，其負責人會同時收到通知。";
const BUSY: &str = "也可能有正當原因：因新聞報導湧入的訪客、備份、測試，或是不斷重試的程式。{tell}";

const fn meaning(situation: Situation) -> &'static [&'static str] {
    match situation {
        Situation::Infected => &[
            "一台曾在這個埠攻擊許多主機的機器入侵了這台機器，此後它也這樣攻擊其他主機。上面「規則」中的 by 就是入侵來源。幾乎\
             只有蠕蟲或入侵才會如此：請先中斷它的網路連線，再進行檢查。",
            "也可能有正當原因，例如某個程式一向會在這個埠連線到其他主機。{tell}",
        ],
        Situation::Scanner => &[
            "逐一探測許多主機的機器，是在尋找可以入侵的對象。這很少是使用者本人所為：通常是機器本身遭到入侵，成為別人的跳板。",
            "也可能有正當原因：監控、資產盤點、對外服務的 DNS 或 NTP 伺服器，或是仍使用舊伺服器清單的程式。{tell}",
        ],
        Situation::PortScanner => &[
            "逐一嘗試一台主機各個埠的機器，是在尋找可以入侵的服務。這很少是使用者本人所為：通常是機器本身遭到入侵，成為別人的\
             跳板。",
            "也可能有正當原因：事先同意的資安檢測、資產盤點，或是逐埠尋找伺服器的程式。{tell}",
        ],
        Situation::PortAttacker => &[
            "在幾分鐘內向同一個埠建立數千條連線的機器，通常感染了蠕蟲，或是遭到入侵而成為跳板，被用來攻擊其他主機或猜測密碼。\
             這很少是使用者本人所為。",
            "也可能有正當原因：代理伺服器、郵件轉送、網頁爬蟲、負載測試。{tell}",
        ],
        Situation::Lateral => &[
            "突然嘗試登入許多鄰近主機並遭到拒絕的機器，通常已遭入侵：有人已經進入內部，正在尋找下一台機器。請先檢查沒有拒絕它\
             的鄰近主機，以及它在那裡使用的帳號。",
            "也可能有正當原因：新的管理或資產盤點伺服器、新的管理人員，或是移到另一台機器的備份。{tell}",
        ],
        Situation::Listed => &[
            "有人發現這些 IP 位址曾攻擊他人、散布惡意程式，或控制遭入侵的機器；上面「規則」中的 feed 就是名單的名稱。主動連到那裡\
             並得到回應的機器，可能正受其控制。請查出是哪個程式建立連線。在查明之前，這只是線索，不是證據。",
            "也可能有正當原因：IP 位址已換了主人，或像主機代管與內容傳遞網路那樣由許多人共用、名單範圍過大、研究人員，或是回覆\
             來信的郵件伺服器。{tell}",
        ],
        Situation::Guesser => &[
            "與另一台主機的同一個埠一再建立連線的機器，通常是在那裡嘗試猜測密碼。它可能遭到入侵，或是有人在上面執行猜密碼的程\
             式。也請檢查對方：如果上述主機的紀錄檔中有多次失敗後成功的登入，就是已遭入侵。",
            "也可能有正當原因：仍使用舊密碼的程式、備份、會登入的監控。{tell}",
        ],
        Situation::Spammer => &[
            "向許多郵件伺服器寄信、自己卻不收信的機器，通常在寄送垃圾郵件：原因可能是病毒，或是帳號、網頁遭到入侵。不久之後，\
             其他郵件伺服器就會拒收我們整個網路的郵件。請查看是什麼程式連到埠 25，以及等待寄送的郵件（mailq）。",
            "也可能有正當原因：新的郵件伺服器，或是自行寄送電子報或警報的程式。{tell}",
        ],
        Situation::Flooder => &[
            "以大量流量攻擊其他主機的機器通常已遭入侵，由別人指定攻擊對象。這很少是使用者本人所為。",
            "也可能有正當原因：備份、負載測試，或是兩台伺服器之間的大量往來。{tell}",
        ],
        Situation::Outbound => &[
            "每秒向某台主機送出數千個封包卻沒有回應的機器，通常正在參與攻擊：它遭到入侵，由別人指定攻擊對象。這很少是使用者本\
             人所為。",
            "也可能有正當原因：串流、通道，或是以 UDP 進行、回程走另一條路徑的備份。{tell}",
        ],
        Situation::Reflector => &[
            "這樣的機器通常沒有遭到入侵，而是被利用：有人冒用上述主機的 IP 位址向它的服務送出查詢，比查詢更大的回應就占滿了那些\
             主機的頻寬。請查看是哪個服務從上述流量中的埠送出回應（DNS 53、NTP 123、SNMP 161、SSDP 1900、memcached 11211）\
             ：讓它只回應本單位的網路、限制回應同一 IP 位址的頻率，或是把它關閉。",
            "也可能有正當原因：查詢走了我們看不到的路徑。{tell}",
        ],
        Situation::FloodVictim => &[WANTS, BUSY],
        Situation::DosVictim => &[
            WANTS,
            "大部分流量來自少數主機：除非來源 IP 位址是偽造的，限制或過濾這些主機就能立即見效。",
            BUSY,
        ],
        Situation::DdosVictim => &[
            WANTS,
            "流量來自非常多的主機，過濾個別 IP 位址效果有限。請限制服務接受的數量，或要求上游過濾。",
            BUSY,
        ],
        Situation::ReflectionVictim => &[
            "有人冒用這台機器的 IP 位址向世界各地的開放伺服器送出查詢，它們的回應占滿頻寬。機器本身沒有嫌疑，上面列出的主機是\
             被利用的，並非攻擊者。幾乎所有流量都來自同一個埠，也就是上面規則中的 sport：請在回信中要求上游過濾來自該埠的流\
             量。",
            "也可能有正當原因：機器確實送出了查詢，但查詢走了我們看不到的路徑。{tell}",
        ],
        Situation::VolumeVictim => &[
            "它收到的流量是平常的數倍，也多於它送出的流量，頻寬可能已經滿載。機器本身沒有嫌疑。這裡有人向上面列出的主機要求過這\
             些資料嗎？如果沒有，請在回信中要求上游過濾。",
            "也可能有正當原因：備份、大型下載、人人都在看的影片。{tell}",
        ],
        Situation::Carpet => &[
            "有人想讓整個網路的線路停擺，並刻意只向每台主機送出少量流量，讓任何一台都不明顯。網路中的機器都沒有嫌疑。請檢查網\
             路前端的路由器和線路，而不是個別機器，並在回信中要求上游過濾。",
            "也可能有正當原因：對整個網路的資產盤點或監控。{tell}",
        ],
        Situation::Backscatter => &[
            "有人偽造來源 IP 位址，以大量流量攻擊這台機器；機器向這些 IP 位址送出的回應因此被觀察到。機器本身沒有嫌疑，上面列出的\
             主機也與此無關，只是收到了它的回應。",
            "來源 IP 位址是偽造的，請不要封鎖；請開啟 SYN cookies，或要求上游過濾送往這個埠的流量。",
            "也可能有正當原因：重新啟動的伺服器會重設它已不記得的連線。{tell}",
        ],
        Situation::GuessedVictim => &[
            "許多機器在這裡猜測密碼，每台只嘗試幾次，因此沒有任何一台特別明顯，封鎖個別機器的效果有限。機器本身沒有嫌疑，但請查\
             看是否有人已經登入：紀錄檔中多次失敗後成功的登入，就是已遭入侵。請只允許以金鑰登入，或只允許從 VPN 登入。",
            "也可能有正當原因：許多用戶的程式定期查詢的伺服器，例如版本控制系統。{tell}",
        ],
        Situation::SwarmVictim => &[
            "許多機器正在這個網路中尋找同一種服務，每台只探測一小部分：可能是殭屍網路，或是租用許多機器的掃描者。網路中的機器都\
             沒有嫌疑。請檢查其中是否有機器對外提供這項服務、是否有必要，以及是否已安裝所有更新。",
            "也可能有正當原因：以嘗試位址來尋找同伴的程式。{tell}",
        ],
        Situation::Outage => &[
            "服務已停止，或前端有過濾器，而它自己的用戶端仍不斷連線。機器本身沒有嫌疑，那些用戶端也沒有嫌疑。如果是刻意關閉，就不\
             需要處理。",
            "但也可能是攻擊：來自平常的用戶端，或是冒用它們的 IP 位址。{tell}",
        ],
        Situation::Victim => &[
            "有人想入侵這台機器，或是想知道上面執行哪些服務。機器本身目前沒有嫌疑，但攻擊可能已經得手。",
        ],
    }
}

const CHECK_SUSPECT: &[&str] = &[
    "關機之前先檢查：正在執行的程式就是證據，重新開機會把它清除。請記下您做了什麼、何時做的。",
    "登入中的使用者與連線：who、last -n 50、netstat -an（Windows：netstat -ano）。尋找連到上述埠和主機的連線。",
    "連線背後的程式：ss -tunp、lsof -i（Windows：netstat -anob）。留意從 /tmp、/var/tmp、/dev/shm 或使用者目錄執行的\
     程式，以及檔案已被刪除的程式。",
    "行程：ps auxf。不認識的名稱，或是重複出現的熟悉名稱。",
    "自動啟動的項目：每個使用者的 crontab -l、/etc/cron*、at -l、systemctl list-timers、開機腳本（Windows：工作排程器、\
     服務、Run 機碼）。",
    "帳號：新增的帳號、第二個使用者識別碼為 0 的帳號、~/.ssh/authorized_keys 中無人認得的金鑰、在不尋常的時間登入。",
    "上述最早時間之前幾小時的紀錄檔：多次失敗後成功的登入、使網頁伺服器啟動 shell 的請求。紀錄檔若有缺口，本身就是線索。",
    "如果無法解釋它的行為，或是它仍在持續：請立即讓它離線（拔掉網路線、關閉交換器的埠），否則它可能在路由器上被封鎖。",
    "遭入侵的機器不要只清理，而要用可信任的媒體重新安裝，裝好所有修補程式後再上線。更換所有在上面用過的密碼。",
];

const CHECK_VICTIM: &[&str] = &[
    "服務是否仍能從內部和外部連上？",
    "負載與連線：uptime、ss -s、netstat -an。許多半開連線（SYN-RECV）代表 SYN 洪水攻擊：請開啟 SYN cookies。",
    "服務在上述時間的紀錄檔：是否一再出現相同的請求？是否來自上面列出的主機？",
    "在封鎖整個 IP 位址之前，先在服務或防火牆上限制每個 IP 位址能建立的連線數：來源可能是偽造的，封鎖會傷及無辜。",
    "如果撐不住，請在回信中要求上游過濾。請勿反擊。",
    "也請檢查登入紀錄和新出現的行程：大量流量可能是在掩護入侵。",
];

fn mark(mark: &str, role: Role) -> Option<&'static str> {
    Some(match (mark, role) {
        ("forged", Role::Target) => "來源位址疑似偽造，上列來源主機可能與此無關。",
        ("forged", Role::Source) => {
            "來源位址疑似偽造：可能是別人冒用了這個 IP 位址，與這台機器無關。"
        }
        ("sampled", _) => "路由器只計算一部分封包：實際數量更多。",
        ("lossy", _) => "路由器的部分紀錄遺失：實際數量更多。",
        ("oneway", _) => "許多回應沒有流量紀錄：有些看似沒有回應的連線可能其實有回應。",
        ("outbreak", _) => "此時攻擊這個埠的機器遠多於平常：可能有蠕蟲正在流行。",
        _ => return None,
    })
}
