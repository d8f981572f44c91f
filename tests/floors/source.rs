//! What a Rust file names and defines, read from its tokens: comments and strings don't count, macros do.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A path in the code, with nested `use` trees expanded: `use crate::{a, b::c}` gives `crate::a` and `crate::b::c`. A
/// single word (`async`) is a path of one part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub parts: Vec<String>,
    /// The module in which it occurs, below the crate's root.
    pub module: Vec<String>,
    /// Whether it occurs under `#[cfg(test)]`.
    pub test: bool,
}

impl Named {
    /// `a::b::c`
    pub(crate) fn path(&self) -> String {
        self.parts.join("::")
    }

    /// Its parts from the crate's root, without `crate`; `None` if it doesn't begin with the crate's root.
    pub(crate) fn in_crate(&self) -> Option<&[String]> {
        let first = self.parts.iter().position(|part| part != "self")?;
        let rest = &self.parts[first..];
        let ups = rest.iter().take_while(|part| *part == "super").count();
        let root = match rest[0].as_str() {
            "crate" | "stillhouse" => 1,
            "super" if ups == self.module.len() => ups,
            _ => return None,
        };
        (rest.len() > root).then(|| &rest[root..])
    }
}

/// A type or module, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Defined {
    pub name: String,
}

/// One file.
#[derive(Debug, Default)]
pub(crate) struct Source {
    pub named: Vec<Named>,
    pub defined: Vec<Defined>,
}

impl Source {
    /// Reads `text`, the file of `module` (empty: the crate's root).
    pub(crate) fn read(text: &str, module: &[String]) -> Result<Self, String> {
        let tokens: TokenStream = text.parse().map_err(|error| format!("{error}"))?;
        let mut source = Self::default();
        source.walk(tokens, module, true, false);
        Ok(source)
    }

    fn walk(&mut self, tokens: TokenStream, module: &[String], items: bool, mut test: bool) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let outer = test;
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            match token {
                TokenTree::Group(group)
                    if group.delimiter() == Delimiter::Bracket && is_attribute(&tokens, at) =>
                {
                    test |= group.stream().to_string().replace(' ', "") == "cfg(test)";
                }
                TokenTree::Group(group) => {
                    self.walk(group.stream(), module, false, test);
                    if group.delimiter() == Delimiter::Brace {
                        test = outer;
                    }
                }
                TokenTree::Punct(punct) if punct.as_char() == ';' => test = outer,
                TokenTree::Ident(word) => {
                    let name = tokens.get(at + 1).and_then(ident);
                    if let Some(name) = name.filter(|_| defines(&word.to_string(), items)) {
                        self.defined.push(Defined { name: name.clone() });
                        at += 1;
                        if let (true, Some(TokenTree::Group(body))) =
                            (word == "mod", tokens.get(at + 1))
                        {
                            let inner: Vec<String> = module.iter().cloned().chain([name]).collect();
                            self.walk(body.stream(), &inner, true, test);
                            (at, test) = (at + 1, outer);
                        }
                    } else {
                        at = self.path(&tokens, at, vec![], module, test);
                        continue;
                    }
                }
                _ => {}
            }
            at += 1;
        }
    }

    /// Reads the path that begins at `at`; returns where it ends.
    fn path(
        &mut self,
        tokens: &[TokenTree],
        mut at: usize,
        mut parts: Vec<String>,
        module: &[String],
        test: bool,
    ) -> usize {
        loop {
            match tokens.get(at) {
                Some(TokenTree::Ident(part)) => parts.push(part.to_string()),
                Some(TokenTree::Group(tree)) => {
                    let tree: Vec<TokenTree> = tree.stream().into_iter().collect();
                    for branch in tree
                        .split(|token| is_punct(Some(token), ','))
                        .filter(|branch| !branch.is_empty())
                    {
                        self.path(branch, 0, parts.clone(), module, test);
                    }
                    return at + 1;
                }
                Some(_) if is_punct(tokens.get(at), '*') => parts.push("*".into()),
                _ => break,
            }
            at += 1;
            let more = is_punct(tokens.get(at), ':') && is_punct(tokens.get(at + 1), ':');
            if !more {
                break;
            }
            at += 2;
        }
        self.named.push(Named {
            parts,
            module: module.to_vec(),
            test,
        });
        at
    }
}

/// Whether `keyword` begins a definition here; `type` also names the types of foreign traits, whose names are fixed.
fn defines(keyword: &str, items: bool) -> bool {
    match keyword {
        "struct" | "enum" | "union" | "trait" | "mod" => true,
        "type" => items,
        _ => false,
    }
}

fn is_attribute(tokens: &[TokenTree], at: usize) -> bool {
    let before = |back| at.checked_sub(back).and_then(|at| tokens.get(at));
    is_punct(before(1), '#') || (is_punct(before(1), '!') && is_punct(before(2), '#'))
}

fn is_punct(token: Option<&TokenTree>, wanted: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == wanted)
}

fn ident(token: &TokenTree) -> Option<String> {
    match token {
        TokenTree::Ident(word) => Some(word.to_string()),
        _ => None,
    }
}
