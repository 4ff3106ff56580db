// Recycled memory for the small objects behind every tensor: a thread keeps what it frees, up to a bound, and takes from there first.
#pragma once

#include <cstddef>
#include <new>

namespace kiln::eager {

// Plain data, so that it can be used before and after the thread's other objects; a Drain empties it when the thread ends.
template <class T>
struct RecycleList {
  struct Link {
    Link* next;
  };
  static constexpr int kKept = 1024;
  Link* head = nullptr;
  int count = 0;
  bool closed = false;

  [[gnu::tls_model("initial-exec")]] static inline thread_local constinit RecycleList list{};
  struct Drain {
    bool armed = false;
    ~Drain() {
      list.closed = true;
      while (Link* link = list.head) {
        list.head = link->next;
        ::operator delete(link);
      }
    }
  };
  static inline thread_local Drain drain{};
};

template <class T>
void* recycled_new() {
  auto& list = RecycleList<T>::list;
  if (auto* link = list.head) {
    list.head = link->next;
    --list.count;
    return link;
  }
  return ::operator new(sizeof(T));
}

template <class T>
void recycle(void* p) noexcept {
  using List = RecycleList<T>;
  List& list = List::list;
  if (list.closed || list.count >= List::kKept) return ::operator delete(p);
  if (list.count == 0) List::drain.armed = true;  // makes the thread's Drain, which runs at its end
  list.head = new (p) typename List::Link{list.head};
  ++list.count;
}

}  // namespace kiln::eager
