// Two threads for calls that may block on a file system (pokes, deleting large folders), started
// with the first use: the loop never waits for a disk.
#pragma once

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <optional>
#include <utility>

namespace nightmill {

class Background {
 public:
  // `work` must not touch anything of the loop; it posts its answer there.
  template <class F>
  void Run(F work) {
    if (!pool_) pool_.emplace(2);
    boost::asio::post(*pool_, std::move(work));
  }

 private:
  std::optional<boost::asio::thread_pool> pool_;
};

}  // namespace nightmill
