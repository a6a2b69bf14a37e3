//! Received mails in the form that mail servers and mail programs give them.

/// A delivery report of Postfix 3.
pub(super) const POSTFIX: &str = r#"Return-Path: <>
Received: by mail.example.org (Postfix)
	id 9A11C2E0B5; Mon, 30 Nov 2026 10:39:36 +0000 (UTC)
Date: Mon, 30 Nov 2026 10:39:36 +0000 (UTC)
From: MAILER-DAEMON@mail.example.org (Mail Delivery System)
Subject: Undelivered Mail Returned to Sender
To: nfkit+b-00112233445566778899aabbccddeeff@example.org
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
	boundary="6D3C42E0A1.1796035176/mail.example.org"
Content-Transfer-Encoding: 8bit
Message-Id: <20261130103936.9A11C2E0B5@mail.example.org>

This is a MIME-encapsulated message.

--6D3C42E0A1.1796035176/mail.example.org
Content-Description: Notification
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

This is the mail system at host mail.example.org.

I'm sorry to have to inform you that your message could not
be delivered to one or more recipients. It's attached below.

<kim@dept.example.org>: host mx.dept.example.org[192.0.2.25] said: 550 5.1.1
    <kim@dept.example.org>: Recipient address rejected: User unknown in local
    recipient table (in reply to RCPT TO command)

--6D3C42E0A1.1796035176/mail.example.org
Content-Description: Delivery report
Content-Type: message/delivery-status
Content-Transfer-Encoding: 8bit

Reporting-MTA: dns; mail.example.org
X-Postfix-Queue-ID: 6D3C42E0A1
X-Postfix-Sender: rfc822; nfkit+b-00112233445566778899aabbccddeeff@example.org
Arrival-Date: Mon, 30 Nov 2026 10:39:35 +0000 (UTC)

Final-Recipient: rfc822; kim@dept.example.org
Original-Recipient: rfc822;kim@dept.example.org
Action: failed
Status: 5.1.1
Remote-MTA: dns; mx.dept.example.org
Diagnostic-Code: smtp; 550 5.1.1 <kim@dept.example.org>: Recipient address
    rejected: User unknown in local recipient table

--6D3C42E0A1.1796035176/mail.example.org
Content-Description: Undelivered Message Headers
Content-Type: text/rfc822-headers
Content-Transfer-Encoding: 8bit

Subject: [nfkit] 10.1.2.3 scans networks

--6D3C42E0A1.1796035176/mail.example.org--
"#;

/// A delivery report of Exim 4, which writes the action first.
pub(super) const EXIM: &str = r#"Return-path: <>
Received: from Debian-exim by mx.example.net with local (Exim 4.96)
	id 1vPZ2q-000abc-1x
	for nfkit+b-00112233445566778899aabbccddeeff@example.org;
	Mon, 30 Nov 2026 10:39:36 +0000
X-Failed-Recipients: kim@dept.example.org
Auto-Submitted: auto-replied
From: Mail Delivery System <Mailer-Daemon@mx.example.net>
To: nfkit+b-00112233445566778899aabbccddeeff@example.org
References: <nfkit.0123@example.org>
Content-Type: multipart/report; report-type=delivery-status; boundary=1796035176-eximdsn-1804289383
MIME-Version: 1.0
Subject: Mail delivery failed: returning message to sender
Message-Id: <E1vPZ2q-000abc-1x@mx.example.net>
Date: Mon, 30 Nov 2026 10:39:36 +0000

--1796035176-eximdsn-1804289383
Content-type: text/plain; charset=us-ascii

This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  kim@dept.example.org
    host mx.dept.example.org [192.0.2.25]

--1796035176-eximdsn-1804289383
Content-type: message/delivery-status

Reporting-MTA: dns; mx.example.net

Action: failed
Final-Recipient: rfc822;kim@dept.example.org
Status: 5.0.0
Remote-MTA: dns; mx.dept.example.org
Diagnostic-Code: smtp; 550-5.1.1 The account does not exist.
 550 5.1.1 Please check it.

--1796035176-eximdsn-1804289383
Content-type: message/rfc822

Subject: [nfkit] 10.1.2.3 scans networks

hello
--1796035176-eximdsn-1804289383--
"#;

/// A delivery report of sendmail 8.
pub(super) const SENDMAIL: &str = r#"Return-Path: <MAILER-DAEMON>
Received: from localhost (localhost)
	by mail.example.net (8.17.1/8.17.1) id 3AUAdaXX012345;
	Mon, 30 Nov 2026 10:39:36 GMT
Date: Mon, 30 Nov 2026 10:39:36 GMT
From: Mail Delivery Subsystem <MAILER-DAEMON>
Message-Id: <202611301039.3AUAdaXX012345@mail.example.net>
To: <nfkit+b-00112233445566778899aabbccddeeff@example.org>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
	boundary="3AUAdaXX012345.1796035176/mail.example.net"
Subject: Returned mail: see transcript for details
Auto-Submitted: auto-generated (failure)

This is a MIME-encapsulated message

--3AUAdaXX012345.1796035176/mail.example.net

The original message was received at Mon, 30 Nov 2026 10:39:35 GMT
from mail.example.org [192.0.2.1]

   ----- The following addresses had permanent fatal errors -----
<kim@dept.example.org>
    (reason: 550 5.1.1 User unknown)

--3AUAdaXX012345.1796035176/mail.example.net
Content-Type: message/delivery-status

Reporting-MTA: dns; mail.example.net
Received-From-MTA: DNS; mail.example.org
Arrival-Date: Mon, 30 Nov 2026 10:39:35 GMT

Final-Recipient: RFC822; kim@dept.example.org
Action: failed
Status: 5.1.1
Remote-MTA: DNS; mx.dept.example.org
Diagnostic-Code: SMTP; 550 5.1.1 User unknown
Last-Attempt-Date: Mon, 30 Nov 2026 10:39:36 GMT

--3AUAdaXX012345.1796035176/mail.example.net
Content-Type: text/rfc822-headers

Subject: [nfkit] 10.1.2.3 scans networks

--3AUAdaXX012345.1796035176/mail.example.net--
"#;

/// A delivery report of Exchange: a multipart as the first part, no blank behind the types.
pub(super) const EXCHANGE: &str = r#"Return-Path: <>
From: <postmaster@dept.example.org>
To: <nfkit+b-00112233445566778899aabbccddeeff@example.org>
Date: Mon, 30 Nov 2026 10:39:36 +0000
Content-Type: multipart/report; report-type=delivery-status;
	boundary="d2ad2be4-9cb1-4b1b-9b0e-5e0a5a1fd0d5"
Content-Language: en-US
Message-ID: <7f1c7c1e-5a5d-4a6e@EX01.dept.example.org>
In-Reply-To: <nfkit.0123@example.org>
Subject: Undeliverable: [nfkit] 10.1.2.3 scans networks
Auto-Submitted: auto-replied
MIME-Version: 1.0

--d2ad2be4-9cb1-4b1b-9b0e-5e0a5a1fd0d5
Content-Type: multipart/alternative; differences=Content-Type;
	boundary="a54b7e3c-0b3c-4f0c-8bd2-5ec0ef6bf1a3"

--a54b7e3c-0b3c-4f0c-8bd2-5ec0ef6bf1a3
Content-Type: text/plain; charset="us-ascii"
Content-Transfer-Encoding: quoted-printable

Delivery has failed to these recipients or groups:

--a54b7e3c-0b3c-4f0c-8bd2-5ec0ef6bf1a3
Content-Type: text/html; charset="us-ascii"
Content-Transfer-Encoding: quoted-printable

<html></html>

--a54b7e3c-0b3c-4f0c-8bd2-5ec0ef6bf1a3--

--d2ad2be4-9cb1-4b1b-9b0e-5e0a5a1fd0d5
Content-Type: message/delivery-status

Reporting-MTA: dns;EX01.dept.example.org
Received-From-MTA: dns;mail.example.org
Arrival-Date: Mon, 30 Nov 2026 10:39:35 +0000

Final-Recipient: rfc822;kim@dept.example.org
Action: failed
Status: 5.1.10
Diagnostic-Code: smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound
X-Display-Name: Kim


--d2ad2be4-9cb1-4b1b-9b0e-5e0a5a1fd0d5
Content-Type: message/rfc822

Subject: [nfkit] 10.1.2.3 scans networks

--d2ad2be4-9cb1-4b1b-9b0e-5e0a5a1fd0d5--
"#;

/// A report of qmail, which is prose.
pub(super) const QMAIL: &str = r#"Return-Path: <>
Received: (qmail 12122 invoked for bounce); 30 Nov 2026 10:39:36 -0000
Date: 30 Nov 2026 10:39:36 -0000
From: MAILER-DAEMON@mx.example.net
To: nfkit+b-00112233445566778899aabbccddeeff@example.org
Subject: failure notice

Hi. This is the qmail-send program at mx.example.net.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<kim@dept.example.org>:
192.0.2.25 does not like recipient.
Remote host said: 550 5.1.1 User unknown

--- Below this line is a copy of the message.

Subject: [nfkit] 10.1.2.3 scans networks
"#;

/// An automatic reply of Exchange, whose transport writes some names in lower case.
pub(super) const EXCHANGE_OOF: &str = r#"From: Kim <kim@dept.example.org>
To: <nfkit@example.org>
Subject: Automatic reply: [nfkit] 10.1.2.3 scans networks
Thread-Topic: [nfkit] 10.1.2.3 scans networks
Thread-Index: AQHTVoX48qQf/rL9R02Db7+QqglAPw==
Date: Mon, 30 Nov 2026 10:39:36 +0000
Message-ID: <b5d66930e76243eb8bddd885ad3fafdd@EX01.dept.example.org>
References: <nfkit.0123@example.org>
X-MS-Has-Attach:
X-Auto-Response-Suppress: All
X-MS-Exchange-Inbox-Rules-Loop: kim@dept.example.org
X-MS-TNEF-Correlator:
x-ms-exchange-parent-message-id: <nfkit.0123@example.org>
auto-submitted: auto-generated
x-ms-exchange-generated-message-source: Mailbox Rules Agent
Content-Type: text/plain; charset="us-ascii"
Content-Transfer-Encoding: quoted-printable
MIME-Version: 1.0

I am out of the office.
"#;

/// An answer of Gmail's vacation responder.
pub(super) const GMAIL_VACATION: &str = r#"MIME-Version: 1.0
From: Kim <kim@dept.example.org>
Date: Mon, 30 Nov 2026 10:39:36 +0000
Message-ID: <CAF+abc@mail.gmail.com>
Subject: Away Re: [nfkit] 10.1.2.3 scans networks
In-Reply-To: <nfkit.0123@example.org>
References: <nfkit.0123@example.org>
Auto-Submitted: auto-replied
Precedence: bulk
X-Autoreply: yes
To: nfkit@example.org
Content-Type: multipart/alternative; boundary="000000000000a1b2c3"

--000000000000a1b2c3
Content-Type: text/plain; charset="UTF-8"

I am away.

--000000000000a1b2c3
Content-Type: text/html; charset="UTF-8"

<div>I am away.</div>

--000000000000a1b2c3--
"#;

/// An answer of Debian's vacation(1) with the text of its manual: it is the text that has the sign.
pub(super) const VACATION: &str = r#"Received: by mail.dept.example.org (Postfix, from userid 1000)
	id 5F0B12E0C9; Mon, 30 Nov 2026 10:39:36 +0000 (UTC)
To: nfkit@example.org
Subject: I am on vacation
Delivered-By-The-Graces-Of: The Vacation program
Precedence: bulk
Message-Id: <20261130103936.5F0B12E0C9@mail.dept.example.org>
Date: Mon, 30 Nov 2026 10:39:36 +0000 (UTC)
From: kim@dept.example.org (Kim)

I am on vacation until July 22.
"#;

/// A receipt that a mail was read (RFC 8098).
pub(super) const RECEIPT: &str = r#"From: Kim <kim@dept.example.org>
To: nfkit@example.org
Subject: Read: [nfkit] 10.1.2.3 scans networks
MIME-Version: 1.0
Content-Type: multipart/report; report-type=disposition-notification;
	boundary="----=_NextPart_000_0001"

------=_NextPart_000_0001
Content-Type: text/plain

Your message was read.

------=_NextPart_000_0001
Content-Type: message/disposition-notification

Final-Recipient: rfc822;kim@dept.example.org
Disposition: manual-action/MDN-sent-automatically; displayed

------=_NextPart_000_0001--
"#;

/// A person's reply, as Postfix hands it to a command: with a line before it.
pub(super) const PERSON: &str = r#"From kim@dept.example.org  Mon Nov 30 10:39:36 2026
Return-Path: <kim@dept.example.org>
X-Original-To: nfkit+r-00112233445566778899aabbccddeeff@example.org
Date: Mon, 30 Nov 2026 10:39:36 +0000
From: Kim <kim@dept.example.org>
To: nfkit+r-00112233445566778899aabbccddeeff@example.org
Subject: Re: [nfkit] 10.1.2.3 scans networks
In-Reply-To: <nfkit.0123@example.org>
X-Auto-Response-Suppress: OOF
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

I look at it today.

> 10.1.2.3 scans networks
"#;
