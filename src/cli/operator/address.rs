//! Where the admin listener is, as it is typed.

use ureq::http::Uri;

use super::ClientError;

/// `HOST:PORT` or `http://HOST[:PORT][/PREFIX]` as the beginning of every URL, without a slash at its end.
pub(super) fn base(typed: &str) -> Result<String, ClientError> {
    let wrong = || ClientError::Address(typed.to_owned());
    let url = match typed.split_once("://") {
        None => format!("http://{typed}"),
        Some(("http", _)) => typed.to_owned(),
        Some(("https", _)) => return Err(ClientError::Https(typed.to_owned())),
        Some(_) => return Err(wrong()),
    };
    let uri: Uri = url.parse().map_err(|_| wrong())?;
    let host = uri
        .host()
        .filter(|host| !host.is_empty())
        .ok_or_else(wrong)?;
    // A bare name is more likely a host whose port was forgotten than one that listens on 80.
    let port_named = uri.port_u16().is_some() || typed.contains("://");
    let plain = uri.query().is_none() && !uri.authority().is_some_and(|a| a.as_str().contains('@'));
    if host.contains(' ') || !port_named || !plain {
        return Err(wrong());
    }
    Ok(url.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_urls_are_taken() {
        for (typed, expected) in [
            ("127.0.0.1:8081", "http://127.0.0.1:8081"),
            ("[::1]:8081", "http://[::1]:8081"),
            ("gpu-1:8081", "http://gpu-1:8081"),
            ("http://gpu-1:8081/", "http://gpu-1:8081"),
            ("http://gpu-1", "http://gpu-1"),
            (
                "http://proxy.example/stillhouse/",
                "http://proxy.example/stillhouse",
            ),
        ] {
            assert_eq!(base(typed).ok().as_deref(), Some(expected), "{typed}");
        }
    }

    #[test]
    fn mistakes_are_told() {
        for (typed, words) in [
            ("gpu-1", "HOST:PORT"),
            ("", "HOST:PORT"),
            (":8081", "HOST:PORT"),
            ("ftp://gpu-1:8081", "HOST:PORT"),
            ("a b:8081", "HOST:PORT"),
            ("anna:secret@gpu-1:8081", "HOST:PORT"),
            ("http://gpu-1:8081/?a=b", "HOST:PORT"),
            ("https://gpu-1:8081", "ssh -L"),
        ] {
            let error = base(typed).expect_err(typed).to_string();
            assert!(error.contains(words), "{typed}: {error}");
        }
    }
}
