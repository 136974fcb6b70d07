// Which of a listener's certificates are for which names.
//
// Certificates of different kinds of key lie side by side in a group, of which each client gets the
// one that it can use; of one kind and for one name the first counts. A certificate that has the
// name itself goes before one that has it by a wildcard. Group 0 is for clients that ask for no
// name, or for one that nobody has: the first certificate, and its companions of other kinds.
//
// Thread rule: immutable once made.
#pragma once

#include "config/certificate_names.hpp"

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::net {

class CertificateChoice {
 public:
  struct Candidate {
    const config::CertificateNames* names = nullptr;
    int key_kind = 0;  ///< OpenSSL's number of the key's algorithm
  };
  using Group = std::vector<std::size_t>;  ///< indices of candidates

  /// At least one candidate.
  explicit CertificateChoice(std::span<const Candidate> candidates);

  [[nodiscard]] const std::vector<Group>& groups() const noexcept { return groups_; }
  /// The index of the group for `name`, which is in lower case.
  [[nodiscard]] std::size_t find(std::string_view name) const;

 private:
  [[nodiscard]] static Group group_for(std::span<const Candidate> candidates,
                                       std::string_view name);
  [[nodiscard]] std::size_t index_of(Group group);

  std::vector<Group> groups_;
  std::map<std::string, std::size_t, std::less<>> by_name_;
  std::map<std::string, std::size_t, std::less<>> by_parent_;  // ".example.com"
};

}  // namespace millrace::net
